//! What kind of site a host is: a short list of our own of the sites that send most visitors.
//!
//! Facts, not text, were compared with Google's public list of sources by category (Analytics help, "default channel
//! group") and with each site's own public address. A host of the list stands for its subdomains too; the most specific
//! entry wins.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What people use a site for when they follow a link from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    Search,
    Social,
    Video,
    Shopping,
    /// An assistant that answers and names its sources.
    Ai,
    /// Web mail.
    Email,
    /// An advertising network.
    Display,
}

use HostKind::{Ai, Display, Email, Search, Shopping, Social, Video};

/// Sites with an address in each of many countries: the name before the country's ending.
const BRANDS: &[(HostKind, &[&str])] = &[
    (Search, &["google", "bing", "yahoo", "yandex", "ask", "aol", "lycos", "startpage"]),
    (Shopping, &["amazon", "ebay", "etsy", "aliexpress", "ikea", "mercadolibre", "mercadolivre", "shopee", "lazada"]),
    (Shopping, &["idealo", "zalando", "rakuten", "bestbuy", "mediamarkt", "allegro", "kaufland", "cdiscount", "temu"]),
    (Social, &["pinterest", "facebook", "linkedin", "glassdoor", "tripadvisor", "xing"]),
];

/// One address each, listed with all its subdomains. Android apps name themselves instead of a host.
const HOSTS: &[(HostKind, &str)] = &[
    (
        Search,
        "duckduckgo.com baidu.com ecosia.org qwant.com search.brave.com naver.com daum.net seznam.cz sogou.com \
         so.com sm.cn startpage.com kagi.com mojeek.com swisscows.com metager.org metager.de search.marginalia.nu \
         coccoc.com rambler.ru go.mail.ru yep.com presearch.com presearch.org gibiru.com dogpile.com webcrawler.com \
         excite.com info.com infospace.com search.com onet.pl virgilio.it libero.it tiscali.it t-online.de \
         suche.web.de suche.gmx.net fireball.de search.aol.com search.lycos.com search.ch zapmeta.com biglobe.ne.jp \
         goo.ne.jp nate.com petalsearch.com ya.ru sputnik.ru najdi.si walla.co.il oceanhero.today lilo.org \
         ekoru.org gigablast.com searx.be searx.me lukol.com isearch.avg.com search.avira.com search.norton.com \
         searchencrypt.com givero.com karmasearch.org cn.bing.com yippy.com sapo.pt centrum.cz eniro.se kvasir.no \
         sesam.no startsiden.no jubii.dk ukr.net meta.ua tut.by com.google.android.googlequicksearchbox \
         com.duckduckgo.mobile.android",
    ),
    (
        Social,
        "fb.com fb.me m.me messenger.com instagram.com threads.net threads.com twitter.com x.com t.co linkedin.com \
         lnkd.in reddit.com redd.it pinterest.com pin.it tumblr.com t.me telegram.org telegram.me web.telegram.org \
         whatsapp.com wa.me discord.com discord.gg discordapp.com snapchat.com bsky.app mastodon.social \
         mastodon.online mstdn.social fosstodon.org hachyderm.io mas.to vk.com ok.ru my.mail.ru weibo.com weibo.cn \
         wechat.com weixin.qq.com qq.com qzone.qq.com douban.com zhihu.com xiaohongshu.com renren.com line.me \
         kakao.com cafe.naver.com blog.naver.com band.us news.ycombinator.com hackernews.com lobste.rs slashdot.org \
         digg.com stackoverflow.com stackexchange.com superuser.com serverfault.com quora.com medium.com \
         substack.com dev.to hashnode.com hashnode.dev producthunt.com indiehackers.com slack.com flipboard.com \
         getpocket.com goodreads.com yelp.com meetup.com nextdoor.com livejournal.com blogspot.com blogger.com \
         wordpress.com gab.com gettr.com parler.com truthsocial.com minds.com mewe.com clubhouse.com deviantart.com \
         behance.net dribbble.com flickr.com 500px.com imgur.com 9gag.com ravelry.com last.fm myspace.com \
         taringa.net hatena.ne.jp mixi.jp ameblo.jp plurk.com viadeo.com skyrock.com hi5.com tagged.com badoo.com \
         classmates.com care2.com cafemom.com gaiaonline.com fark.com scoop.it paper.li buffer.com hootsuite.com \
         ow.ly disqus.com teams.microsoft.com workplace.com yammer.com linktr.ee lemmy.world lemmy.ml kbin.social \
         pixelfed.social com.reddit.frontpage com.linkedin.android com.facebook.katana com.twitter.android \
         com.instagram.android org.telegram.messenger com.pinterest com.slack",
    ),
    (
        Video,
        "youtube.com youtu.be youtube-nocookie.com vimeo.com tiktok.com twitch.tv dailymotion.com rumble.com \
         odysee.com bitchute.com netflix.com hulu.com disneyplus.com primevideo.com crunchyroll.com bilibili.com \
         youku.com iqiyi.com v.qq.com douyin.com kuaishou.com niconico.jp nicovideo.jp rutube.ru wistia.com \
         loom.com ted.com kick.com veoh.com metacafe.com peertube.tv joinpeertube.org triller.co likee.video \
         com.google.android.youtube",
    ),
    (
        Shopping,
        "shopping.google.com shopping.yahoo.com shopping.yahoo.co.jp walmart.com target.com costco.com wayfair.com \
         homedepot.com lowes.com macys.com overstock.com newegg.com shop.app shopify.com myshopify.com alibaba.com \
         1688.com taobao.com tmall.com jd.com pinduoduo.com flipkart.com myntra.com snapdeal.com otto.de \
         aboutyou.de check24.de geizhals.at geizhals.de billiger.de guenstiger.de preisvergleich.de bol.com \
         coolblue.nl marktplaats.nl leboncoin.fr fnac.com darty.com argos.co.uk johnlewis.com pricespy.co.uk \
         pricerunner.com prisjakt.nu kelkoo.com shopzilla.com pricegrabber.com bizrate.com slickdeals.net stripe.com \
         mydealz.de hotukdeals.com dealabs.com gumtree.com craigslist.org ozon.ru wildberries.ru market.yandex.ru \
         trendyol.com hepsiburada.com n11.com emag.ro heureka.cz ceneo.pl skroutz.gr wish.com shein.com \
         poshmark.com depop.com vinted.com mercari.com stockx.com kohls.com sears.com nordstrom.com asos.com \
         coupang.com gmarket.co.kr",
    ),
    (
        Ai,
        "chatgpt.com chat.openai.com openai.com perplexity.ai claude.ai gemini.google.com bard.google.com \
         notebooklm.google.com aistudio.google.com copilot.microsoft.com copilot.cloud.microsoft \
         m365.cloud.microsoft chat.deepseek.com deepseek.com chat.mistral.ai mistral.ai grok.com x.ai grok.x.com \
         meta.ai poe.com you.com phind.com pi.ai character.ai huggingface.co chat.qwen.ai qwen.ai kimi.com \
         kimi.moonshot.cn doubao.com yiyan.baidu.com chatglm.cn duck.ai andisearch.com komo.ai iask.ai \
         consensus.app elicit.com jasper.ai writesonic.com chatsonic.com genspark.ai manus.im felo.ai liner.com \
         exa.ai lechat.mistral.ai groq.com coral.cohere.com com.openai.chatgpt",
    ),
    (
        Email,
        "mail.google.com mail.yahoo.com outlook.live.com outlook.office.com outlook.office365.com outlook.com \
         mail.aol.com mail.yandex.ru mail.yandex.com e.mail.ru mail.proton.me mail.protonmail.com app.fastmail.com \
         fastmail.com tutanota.com tuta.com mail.zoho.com webmail.freenet.de deref-gmx.net deref-web.de \
         deref-mail.com navigator.gmx.net navigator.web.de mail.qq.com mail.163.com mail.126.com mail.naver.com \
         poczta.onet.pl webmail.laposte.net hey.com app.hey.com superhuman.com mail.superhuman.com \
         com.google.android.gm com.microsoft.office.outlook",
    ),
    (
        Display,
        "googlesyndication.com doubleclick.net googleadservices.com adsrvr.org criteo.com taboola.com outbrain.com \
         adroll.com amazon-adsystem.com adnxs.com media.net teads.tv mgid.com revcontent.com",
    ),
];

/// The same, to look up.
static BY_HOST: LazyLock<HashMap<&str, HostKind>> = LazyLock::new(|| {
    HOSTS.iter().flat_map(|(kind, hosts)| hosts.split_whitespace().map(|host| (host, *kind))).collect()
});

/// Places below a listed name that are something else: their visitors come by a link somebody wrote.
const NOT_LISTED: &[&str] = &[
    "docs.google.com",
    "drive.google.com",
    "sites.google.com",
    "groups.google.com",
    "calendar.google.com",
    "meet.google.com",
    "classroom.google.com",
    "accounts.google.com",
    "play.google.com",
    "login.yahoo.com",
];

/// Names that campaigns write for a source and that are no host's first part.
const ALIASES: &[(&str, HostKind)] = &[
    ("adwords", Search),
    ("googleads", Search),
    ("google-ads", Search),
    ("google_ads", Search),
    ("bingads", Search),
    ("fb", Social),
    ("ig", Social),
    ("meta", Social),
    ("facebook-ads", Social),
    ("facebook_ads", Social),
    ("hackernews", Social),
    ("hn", Social),
    ("yt", Video),
    ("claude", Ai),
    ("copilot", Ai),
    ("gemini", Ai),
    ("grok", Ai),
    ("chatgpt", Ai),
    ("openai", Ai),
    ("newsletter", Email),
    ("gmail", Email),
    ("x", Social),
    ("t.co", Social),
    ("google-shopping", Shopping),
    ("google_shopping", Shopping),
];

/// The kind of a host, of any case, with or without `www.`.
#[must_use]
pub fn kind_of_host(host: &str) -> Option<HostKind> {
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    let host = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest);
    let host = host.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let mut rest = Some(host);
    while let Some(name) = rest.filter(|name| name.contains('.')) {
        if NOT_LISTED.contains(&name) {
            return None;
        }
        if let Some(kind) = BY_HOST.get(name) {
            return Some(*kind);
        }
        rest = name.split_once('.').map(|(_, parent)| parent);
    }
    let labels: Vec<&str> = host.split('.').collect();
    let ending = match labels.as_slice() {
        [.., second, country] if matches!(*second, "co" | "com" | "ne" | "net" | "org") && country.len() == 2 => 2,
        _ => 1,
    };
    let name = labels.len().checked_sub(ending + 1).and_then(|at| labels.get(at))?;
    BRANDS.iter().find(|(_, names)| names.contains(name)).map(|(kind, _)| *kind)
}

/// The kind of a campaign's source: a host, or the name of a site without its ending.
#[must_use]
pub fn kind_of_source(source: &str) -> Option<HostKind> {
    let source = source.trim().to_ascii_lowercase();
    if let Some((_, kind)) = ALIASES.iter().find(|(name, _)| *name == source) {
        return Some(*kind);
    }
    if source.contains('.') {
        return kind_of_host(&source);
    }
    if source.is_empty() {
        return None;
    }
    if let Some((kind, _)) = BRANDS.iter().find(|(_, names)| names.contains(&source.as_str())) {
        return Some(*kind);
    }
    // Only where the whole name stands before one ending: "mail" is not every host that starts so.
    let is_named = |host: &str| host.split_once('.').is_some_and(|(name, end)| name == source && !end.contains('.'));
    let named = |hosts: &str| source.len() > 2 && hosts.split_whitespace().any(is_named);
    HOSTS.iter().find(|(_, hosts)| named(hosts)).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_name_country_and_subdomain() {
        for (host, kind) in [
            ("www.google.co.uk", Some(Search)),
            ("GOOGLE.de", Some(Search)),
            ("uk.search.yahoo.com", Some(Search)),
            ("gemini.google.com", Some(Ai)),
            ("mail.google.com", Some(Email)),
            ("docs.google.com", None),
            ("l.facebook.com", Some(Social)),
            ("m.youtube.com", Some(Video)),
            ("www.ebay.co.uk", Some(Shopping)),
            ("chatgpt.com", Some(Ai)),
            ("notgoogle.com", None),
            ("google.com.evil.example", None),
            ("example.com", None),
            ("", None),
            ("...", None),
            ("$direct", None),
            ("https://duckduckgo.com/", Some(Search)),
        ] {
            assert_eq!(kind_of_host(host), kind, "{host}");
        }
    }

    #[test]
    fn sources_are_hosts_or_their_names() {
        for (source, kind) in [
            ("Google", Some(Search)),
            ("fb", Some(Social)),
            ("youtube.com", Some(Video)),
            ("youtube", Some(Video)),
            ("chatgpt.com", Some(Ai)),
            ("perplexity", Some(Ai)),
            ("ebay", Some(Shopping)),
            ("123", None),
            ("", None),
        ] {
            assert_eq!(kind_of_source(source), kind, "{source}");
        }
    }

    #[test]
    fn every_host_is_listed_once() {
        let mut all: Vec<_> = HOSTS.iter().flat_map(|(_, hosts)| hosts.split_whitespace()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
