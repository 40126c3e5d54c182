//! The events: what a browser SDK sends, made up from a fixed seed. Published, so that anyone can make the same.
//!
//! Some thousand visits go on at once, each by one person on one device; every event belongs to one of them. An event has
//! about 33 usual properties and one or two out of 40 rare ones, 1.2 KB of JSON. A part of the people is identified: their
//! first visit says who they are, and their events carry what is known of them.

use std::io::Write;

use jiff::Timestamp;

/// How many different rare properties there are.
pub const RARE_KEYS: u64 = 40;
const VISITS_AT_ONCE: usize = 2_000;
const EVENTS_PER_VISIT: u64 = 12;
const OF_TWELVE: [&str; 12] = [
    "$pageview",
    "$pageview",
    "$pageview",
    "$pageview",
    "$autocapture",
    "$autocapture",
    "$pageleave",
    "signup_started",
    "signup_completed",
    "plan_upgraded",
    "report_viewed",
    "invite_sent",
];

/// What the stream looks like.
#[derive(Debug, Clone)]
pub struct Shape {
    pub key: String,
    /// Other seeds make other people and other uuids.
    pub seed: u64,
    /// How many events the whole stream is meant to have: decides how many people there are, and how fast its time goes.
    pub events: u64,
    /// Of a hundred people, so many are identified.
    pub identified_percent: u64,
    /// Every so many events one says who its person is, whoever that is; 0: only the first visits of the identified.
    pub identify_every: u64,
    /// The moments lie between these, in milliseconds.
    pub from_ms: i64,
    pub to_ms: i64,
}

/// An endless stream of events.
pub struct Stream {
    shape: Shape,
    random: Random,
    visits: Vec<Visit>,
    made: u64,
}

struct Visit {
    person: u64,
    at_ms: i64,
    session: String,
    pageview: String,
    path: u64,
    left: u64,
    says_who: bool,
}

/// A body under construction, or done.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub bytes: Vec<u8>,
    pub events: u64,
    /// Where the uuids stand in `bytes`.
    uuids: Vec<usize>,
}

impl Stream {
    pub fn new(shape: Shape) -> Self {
        let mut random = Random(0x7e4e_c000 ^ shape.seed);
        let visits = (0..VISITS_AT_ONCE).map(|_| Visit::new(&shape, &mut random, 0)).collect();
        Self { shape, random, visits, made: 0 }
    }

    /// A whole HTTP request with so many events: one by itself, more as a batch.
    pub fn request(&mut self, events: u64, into: &mut Request) {
        let mut body = Vec::with_capacity(events as usize * 1400 + 200);
        into.uuids.clear();
        if events == 1 {
            self.event(&mut body, &mut into.uuids, true);
        } else {
            write!(body, r#"{{"api_key":"{}","batch":["#, self.shape.key).expect("memory takes it");
            for at in 0..events {
                if at > 0 {
                    body.push(b',');
                }
                self.event(&mut body, &mut into.uuids, false);
            }
            body.extend_from_slice(b"]}");
        }
        into.events = events;
        into.bytes.clear();
        let path = if events == 1 { "/i/v0/e/" } else { "/batch/" };
        head(path, body.len(), &mut into.bytes);
        for at in &mut into.uuids {
            *at += into.bytes.len();
        }
        into.bytes.extend_from_slice(&body);
    }

    fn event(&mut self, to: &mut Vec<u8>, uuids: &mut Vec<usize>, with_key: bool) {
        let at = self.random.below(self.visits.len() as u64) as usize;
        if self.visits[at].left == 0 {
            self.visits[at] = Visit::new(&self.shape, &mut self.random, self.made);
        }
        self.made += 1;
        let (random, visit) = (&mut self.random, &mut self.visits[at]);
        visit.left -= 1;
        visit.at_ms += 200 + random.below(40_000) as i64;
        let is_due = self.shape.identify_every > 0 && self.made.is_multiple_of(self.shape.identify_every);
        let is_identified = is_due || hash(visit.person, "known") % 100 < self.shape.identified_percent;
        let says_who = is_due || is_identified && std::mem::take(&mut visit.says_who);
        let event = if says_who { "$identify" } else { OF_TWELVE[random.below(12) as usize] };
        if event == "$pageview" {
            visit.path = random.below(3_000);
            visit.pageview = uuid_v7(visit.at_ms, random);
        }
        let time = Timestamp::from_millisecond(visit.at_ms).expect("a moment of our days");
        let person = Person(visit.person);
        let device = person.device();
        let user = if is_identified { format!("user-{}", visit.person) } else { device.clone() };
        to.extend_from_slice(b"{\"uuid\":\"");
        uuids.push(to.len());
        let path = format!("/app/projects/{}", visit.path);
        let chrome = 120 + person.pick("bv", 12);
        let (session, pageview) = (&visit.session, &visit.pageview);
        write!(
            to,
            r#"{uuid}","event":"{event}","distinct_id":"{user}","timestamp":"{time}","properties":{{"$os":"{os}","$os_version":"10.15.7","$browser":"{browser}","$device_type":"Desktop","$timezone":"{zone}","$current_url":"https://app.example.com{path}?ref=nav","$host":"app.example.com","$pathname":"{path}","$raw_user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome}.0.0.0 Safari/537.36","$browser_version":{chrome},"$browser_language":"en-US","$browser_language_prefix":"en","$screen_height":1117,"$screen_width":1728,"$viewport_height":{height},"$viewport_width":1728,"$lib":"web","$lib_version":"1.449.2","$insert_id":"{insert:016x}","$time":{seconds}.{millis:03},"distinct_id":"{user}","$device_id":"{device}","$referrer":"https://www.google.com/","$referring_domain":"www.google.com","$session_id":"{session}","$window_id":"{session}","$pageview_id":"{pageview}","$is_identified":{is_identified},"$process_person_profile":{is_identified},"utm_source":"{source}","utm_campaign":"autumn","plan":"{plan}","cart_value":{cart}.{cents:02},"feature_{rare}":"on","#,
            uuid = uuid_v7(visit.at_ms, random),
            os = ["Mac OS X", "Windows", "Linux", "iOS", "Android"][person.pick("os", 5)],
            browser = ["Chrome", "Chrome", "Chrome", "Safari", "Firefox", "Edge"][person.pick("browser", 6)],
            zone = ["Europe/Berlin", "America/New_York", "Asia/Kolkata"][person.pick("zone", 3)],
            height = 600 + person.pick("height", 600),
            insert = random.next(),
            seconds = visit.at_ms / 1000,
            millis = visit.at_ms % 1000,
            source = ["google", "newsletter", "bing"][person.pick("utm", 3)],
            plan = person.plan(),
            cart = random.below(300),
            cents = random.below(100),
            rare = random.below(RARE_KEYS),
        )
        .expect("memory takes it");
        if event == "$autocapture" {
            let nth = random.below(30);
            write!(
                to,
                r#""$event_type":"click","$el_text":"Button {nth}","$elements_chain":"button.btn.btn-primary:attr__class=\"btn btn-primary\"nth-child=\"{nth}\"nth-of-type=\"1\"text=\"Button {nth}\";div.card:attr__class=\"card\"nth-child=\"2\"nth-of-type=\"2\";body:nth-child=\"2\"nth-of-type=\"1\"","#,
            )
            .expect("memory takes it");
        }
        if says_who {
            person.write_properties(&device, to);
        }
        write!(to, r#""token":"{}"}}"#, self.shape.key).expect("memory takes it");
        if with_key {
            write!(to, r#","api_key":"{}""#, self.shape.key).expect("memory takes it");
        }
        to.push(b'}');
    }
}

impl Visit {
    fn new(shape: &Shape, random: &mut Random, made: u64) -> Self {
        // Few come often, many once.
        let people = (shape.events / EVENTS_PER_VISIT).max(1_000) as f64;
        let person = ((random.below(1_000_003) as f64 / 1_000_003.0).powi(2) * people) as u64;
        let progress = (made as f64 / shape.events as f64).min(1.0);
        let at_ms = shape.from_ms + ((shape.to_ms - shape.from_ms) as f64 * progress) as i64;
        Self {
            person,
            at_ms,
            session: uuid_v7(at_ms, random),
            pageview: uuid_v7(at_ms, random),
            path: random.below(3_000),
            left: 1 + random.below(2 * EVENTS_PER_VISIT - 1),
            says_who: true,
        }
    }
}

struct Person(u64);

impl Person {
    fn pick(&self, what: &str, of: u64) -> usize {
        (hash(self.0, what) % of) as usize
    }

    fn plan(&self) -> &'static str {
        ["free", "free", "free", "pro", "team", "enterprise"][self.pick("plan", 6)]
    }

    fn device(&self) -> String {
        let (a, b) = (hash(self.0, "device"), hash(self.0, "device too"));
        format!(
            "019{:05x}-{:04x}-7{:03x}-9{:03x}-{:012x}",
            a >> 44,
            a & 0xffff,
            (a >> 16) & 0xfff,
            b >> 52,
            b & MASK_48
        )
    }

    /// What `identify()` tells of somebody.
    fn write_properties(&self, device: &str, to: &mut Vec<u8>) {
        let (id, plan, company) = (self.0, self.plan(), self.pick("company", 20_000));
        write!(
            to,
            r#""$anon_distinct_id":"{device}","$set":{{"email":"user{id}@example.com","name":"User Number {id}","plan":"{plan}","company":"Company {company}","role":"{role}","language":"en-US"}},"$set_once":{{"$initial_referrer":"https://www.google.com/","$initial_referring_domain":"www.google.com","$initial_current_url":"https://example.com/?utm_source=newsletter","$initial_pathname":"/","$initial_utm_source":"newsletter","$initial_browser":"Chrome","$initial_os":"Mac OS X"}},"#,
            role = ["admin", "member", "viewer"][self.pick("role", 3)],
        )
        .expect("memory takes it");
    }
}

impl Request {
    /// Gives every event a uuid that was not used before, so that none is a duplicate.
    pub fn renew(&mut self, used: &mut u64) {
        for &at in &self.uuids {
            *used += 1;
            // Odd, so no two numbers below 2^48 become the same.
            let mixed = used.wrapping_mul(0x9e37_79b9_7f4b) & MASK_48;
            let mut digits = &mut self.bytes[at + 24..at + 36];
            write!(digits, "{mixed:012x}").expect("twelve digits fit");
        }
    }

    /// Takes another request's content.
    pub fn copy_from(&mut self, other: &Self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&other.bytes);
        self.uuids.clear();
        self.uuids.extend_from_slice(&other.uuids);
        self.events = other.events;
    }
}

/// The head of a request as a browser writes it.
pub fn head(path: &str, body_bytes: usize, to: &mut Vec<u8>) {
    write!(
        to,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\nContent-Type: application/json\r\n\
         Content-Length: {body_bytes}\r\n\r\n"
    )
    .expect("memory takes it");
}

const MASK_48: u64 = (1 << 48) - 1;

/// splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn hash(number: u64, salt: &str) -> u64 {
    let salt = salt.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    Random(number.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ salt).next()
}

fn uuid_v7(at_ms: i64, random: &mut Random) -> String {
    let (time, a, b) = (at_ms.cast_unsigned() & MASK_48, random.next(), random.next());
    format!(
        "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        time >> 16,
        time & 0xffff,
        a & 0xfff,
        (a >> 12) & 0xfff,
        b & MASK_48
    )
}
