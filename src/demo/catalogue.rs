//! What the shop sells and what its world looks like: products, sources of visits, devices, places, names.

/// The shop's name and address. `example.com` belongs to nobody.
pub(super) const SHOP: &str = "Kettle & Crane";
pub(super) const HOST: &str = "shop.example.com";

/// Something to buy.
#[derive(Debug)]
pub(super) struct Product {
    pub slug: &'static str,
    pub name: &'static str,
    pub category: &'static str,
    pub price_cents: i64,
    pub popularity: f64,
}

const fn product(
    slug: &'static str,
    name: &'static str,
    category: &'static str,
    price_cents: i64,
    popularity: f64,
) -> Product {
    Product { slug, name, category, price_cents, popularity }
}

pub(super) const PRODUCTS: &[Product] = &[
    product("gooseneck-kettle", "Gooseneck kettle", "kettles", 8_900, 10.0),
    product("stovetop-kettle", "Stovetop kettle", "kettles", 5_400, 5.0),
    product("travel-kettle", "Travel kettle", "kettles", 3_900, 3.0),
    product("cast-iron-teapot", "Cast iron teapot", "teaware", 6_900, 6.0),
    product("glass-teapot", "Glass teapot", "teaware", 3_400, 6.0),
    product("porcelain-cups", "Porcelain cups, set of four", "teaware", 4_200, 5.0),
    product("matcha-set", "Matcha set", "teaware", 5_900, 8.0),
    product("pour-over-dripper", "Pour-over dripper", "coffee", 2_800, 9.0),
    product("hand-grinder", "Hand grinder", "coffee", 11_900, 7.0),
    product("paper-filters", "Paper filters, 100 pieces", "coffee", 690, 8.0),
    product("sencha", "Sencha, 100 g", "tea", 1_490, 9.0),
    product("earl-grey", "Earl Grey, 100 g", "tea", 1_190, 8.0),
    product("rooibos", "Rooibos, 100 g", "tea", 990, 5.0),
    product("gift-box", "Gift box", "gifts", 4_900, 6.0),
];

pub(super) const CATEGORIES: &[(&str, &str)] =
    &[("kettles", "Kettles"), ("teaware", "Teaware"), ("coffee", "Coffee"), ("tea", "Tea"), ("gifts", "Gifts")];

pub(super) const ARTICLES: &[(&str, &str)] = &[
    ("/journal/how-to-brew-sencha", "How to brew sencha"),
    ("/journal/pour-over-in-five-steps", "Pour-over in five steps"),
    ("/journal/care-for-cast-iron", "How to care for cast iron"),
    ("/journal/gift-guide", "Gifts for people who like tea"),
];

pub(super) const SEARCHES: &[&str] =
    &["kettle", "teapot", "matcha", "grinder", "earl grey", "gift", "filters", "decaf", "mug", "oolong"];

/// Where a visit comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub weight: f64,
    /// `None`: typed in or bookmarked.
    pub referrer: Option<&'static str>,
    /// `utm_source`, `utm_medium`, `utm_campaign`.
    pub utm: Option<(&'static str, &'static str, &'static str)>,
    pub utm_content: Option<&'static str>,
    pub click_id: Option<&'static str>,
    /// How ready to buy its visitors are, against the average.
    pub intent: f64,
    /// Whether its links lead to the shop's journal rather than to the front page or a product.
    pub reads: bool,
}

const DIRECT: Source =
    Source { weight: 1.0, referrer: None, utm: None, utm_content: None, click_id: None, intent: 1.0, reads: false };

/// A visit without a referrer.
pub(super) const TYPED_IN: &Source = &Source { intent: 1.2, ..DIRECT };

/// The weekly mail to those who signed up.
pub(super) const NEWSLETTER: &Source = &Source {
    utm: Some(("newsletter", "email", "weekly-brew")),
    utm_content: Some("top-story"),
    intent: 1.7,
    ..DIRECT
};

pub(super) const SOURCES: &[Source] = &[
    Source { weight: 24.0, intent: 1.2, ..DIRECT },
    Source { weight: 26.0, referrer: Some("https://www.google.com/"), intent: 1.1, ..DIRECT },
    Source { weight: 4.0, referrer: Some("https://www.bing.com/"), ..DIRECT },
    Source { weight: 3.0, referrer: Some("https://duckduckgo.com/"), intent: 1.1, ..DIRECT },
    Source {
        weight: 10.0,
        referrer: Some("https://www.google.com/"),
        utm: Some(("google", "cpc", "kettles-search")),
        utm_content: Some("headline-a"),
        click_id: Some("gclid"),
        intent: 1.3,
        reads: false,
    },
    Source {
        weight: 9.0,
        referrer: Some("https://l.instagram.com/"),
        utm: Some(("instagram", "paid_social", "autumn-warmth")),
        utm_content: Some("reel-matcha"),
        click_id: Some("fbclid"),
        intent: 0.5,
        reads: false,
    },
    Source {
        weight: 4.0,
        referrer: Some("https://www.facebook.com/"),
        utm: Some(("facebook", "paid_social", "autumn-warmth")),
        utm_content: Some("carousel"),
        click_id: Some("fbclid"),
        intent: 0.6,
        reads: false,
    },
    Source { weight: 4.0, referrer: Some("https://www.youtube.com/"), intent: 0.7, reads: true, ..DIRECT },
    Source { weight: 4.0, referrer: Some("https://www.reddit.com/"), intent: 0.7, reads: true, ..DIRECT },
    Source { weight: 2.0, referrer: Some("https://www.pinterest.com/"), intent: 0.8, ..DIRECT },
    Source {
        weight: 4.0,
        referrer: Some("https://chatgpt.com/"),
        utm: Some(("chatgpt.com", "referral", "")),
        intent: 1.5,
        ..DIRECT
    },
    Source { weight: 1.5, referrer: Some("https://www.perplexity.ai/"), intent: 1.4, ..DIRECT },
    Source { weight: 1.0, referrer: Some("https://claude.ai/"), intent: 1.4, ..DIRECT },
    Source {
        weight: 3.5,
        referrer: Some("https://slow-kitchen.example/"),
        utm: Some(("slow-kitchen", "affiliate", "partners")),
        intent: 1.3,
        reads: true,
        ..DIRECT
    },
];

/// A browser on a system.
#[derive(Debug)]
pub(super) struct Device {
    pub weight: f64,
    pub browser: &'static str,
    pub browser_version: i64,
    pub os: &'static str,
    pub os_version: &'static str,
    /// `Desktop`, `Mobile` or `Tablet`.
    pub kind: &'static str,
    pub model: &'static str,
    pub screens: &'static [(i64, i64)],
    pub user_agent: &'static str,
}

const LAPTOPS: &[(i64, i64)] = &[(1920, 1080), (1536, 864), (1440, 900), (2560, 1440), (1366, 768)];
const PHONES: &[(i64, i64)] = &[(390, 844), (393, 852), (430, 932), (375, 812)];
const ANDROIDS: &[(i64, i64)] = &[(412, 915), (360, 800), (384, 854)];

pub(super) const DEVICES: &[Device] = &[
    Device {
        weight: 27.0,
        browser: "Mobile Safari",
        browser_version: 26,
        os: "iOS",
        os_version: "26.1.0",
        kind: "Mobile",
        model: "iPhone",
        screens: PHONES,
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
    },
    Device {
        weight: 21.0,
        browser: "Chrome",
        browser_version: 142,
        os: "Android",
        os_version: "16.0.0",
        kind: "Mobile",
        model: "Android",
        screens: ANDROIDS,
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    },
    Device {
        weight: 22.0,
        browser: "Chrome",
        browser_version: 142,
        os: "Windows",
        os_version: "10.0",
        kind: "Desktop",
        model: "",
        screens: LAPTOPS,
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    },
    Device {
        weight: 8.0,
        browser: "Chrome",
        browser_version: 141,
        os: "Mac OS X",
        os_version: "10.15.7",
        kind: "Desktop",
        model: "",
        screens: LAPTOPS,
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    },
    Device {
        weight: 8.0,
        browser: "Safari",
        browser_version: 26,
        os: "Mac OS X",
        os_version: "10.15.7",
        kind: "Desktop",
        model: "",
        screens: LAPTOPS,
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    },
    Device {
        weight: 5.0,
        browser: "Firefox",
        browser_version: 145,
        os: "Windows",
        os_version: "10.0",
        kind: "Desktop",
        model: "",
        screens: LAPTOPS,
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    },
    Device {
        weight: 2.0,
        browser: "Firefox",
        browser_version: 145,
        os: "Linux",
        os_version: "",
        kind: "Desktop",
        model: "",
        screens: LAPTOPS,
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    },
    Device {
        weight: 4.0,
        browser: "Microsoft Edge",
        browser_version: 142,
        os: "Windows",
        os_version: "10.0",
        kind: "Desktop",
        model: "",
        screens: LAPTOPS,
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    },
    Device {
        weight: 3.0,
        browser: "Safari",
        browser_version: 26,
        os: "iOS",
        os_version: "26.1.0",
        kind: "Tablet",
        model: "iPad",
        screens: &[(820, 1180), (834, 1194)],
        user_agent: "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
    },
];

/// Where somebody lives.
#[derive(Debug)]
pub(super) struct Place {
    pub weight: f64,
    pub code: &'static str,
    pub country: &'static str,
    pub region: &'static str,
    pub city: &'static str,
    pub time_zone: &'static str,
    pub language: &'static str,
}

const fn place(weight: f64, names: [&'static str; 6]) -> Place {
    let [code, country, region, city, time_zone, language] = names;
    Place { weight, code, country, region, city, time_zone, language }
}

pub(super) const PLACES: &[Place] = &[
    place(10.0, ["DE", "Germany", "Berlin", "Berlin", "Europe/Berlin", "de-DE"]),
    place(8.0, ["DE", "Germany", "Hamburg", "Hamburg", "Europe/Berlin", "de-DE"]),
    place(8.0, ["DE", "Germany", "Bavaria", "Munich", "Europe/Berlin", "de"]),
    place(6.0, ["AT", "Austria", "Vienna", "Vienna", "Europe/Vienna", "de-AT"]),
    place(4.0, ["CH", "Switzerland", "Zurich", "Zurich", "Europe/Zurich", "de-CH"]),
    place(10.0, ["GB", "United Kingdom", "England", "London", "Europe/London", "en-GB"]),
    place(4.0, ["GB", "United Kingdom", "Scotland", "Edinburgh", "Europe/London", "en-GB"]),
    place(6.0, ["FR", "France", "Île-de-France", "Paris", "Europe/Paris", "fr-FR"]),
    place(3.0, ["FR", "France", "Auvergne-Rhône-Alpes", "Lyon", "Europe/Paris", "fr-FR"]),
    place(6.0, ["NL", "Netherlands", "North Holland", "Amsterdam", "Europe/Amsterdam", "nl-NL"]),
    place(3.0, ["DK", "Denmark", "Capital Region", "Copenhagen", "Europe/Copenhagen", "da-DK"]),
    place(3.0, ["SE", "Sweden", "Stockholm", "Stockholm", "Europe/Stockholm", "sv-SE"]),
    place(3.0, ["ES", "Spain", "Catalonia", "Barcelona", "Europe/Madrid", "es-ES"]),
    place(3.0, ["PL", "Poland", "Mazovia", "Warsaw", "Europe/Warsaw", "pl-PL"]),
    place(3.0, ["IT", "Italy", "Lombardy", "Milan", "Europe/Rome", "it-IT"]),
    place(7.0, ["US", "United States", "New York", "New York", "America/New_York", "en-US"]),
    place(5.0, ["US", "United States", "California", "San Francisco", "America/Los_Angeles", "en-US"]),
    place(3.0, ["US", "United States", "Washington", "Seattle", "America/Los_Angeles", "en-US"]),
    place(3.0, ["CA", "Canada", "Ontario", "Toronto", "America/Toronto", "en-CA"]),
    place(2.0, ["JP", "Japan", "Tokyo", "Tokyo", "Asia/Tokyo", "ja-JP"]),
    place(2.0, ["AU", "Australia", "Victoria", "Melbourne", "Australia/Melbourne", "en-AU"]),
    place(1.5, ["IN", "India", "Karnataka", "Bengaluru", "Asia/Kolkata", "en-IN"]),
    place(1.5, ["BR", "Brazil", "São Paulo", "São Paulo", "America/Sao_Paulo", "pt-BR"]),
];

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Aiko", "Amara", "Anna", "Anton", "Aylin", "Ben", "Bianca", "Carla", "Chen", "Clara", "Daniel", "Dilek",
    "Elena", "Emil", "Emma", "Farid", "Felix", "Freya", "Greta", "Hana", "Hugo", "Ida", "Ines", "Isak", "Jonas",
    "Julia", "Kofi", "Lars", "Lea", "Leila", "Linus", "Lucía", "Maja", "Marek", "Mateo", "Maya", "Mia", "Milan",
    "Nadia", "Nils", "Nora", "Olga", "Omar", "Paula", "Priya", "Rosa", "Ruben", "Sami", "Sofia", "Theo", "Tomás",
    "Uma", "Vera", "Wanda", "Yara", "Yusuf", "Zoë",
];

pub(super) const LAST_NAMES: &[&str] = &[
    "Adeyemi",
    "Andersen",
    "Bauer",
    "Becker",
    "Bianchi",
    "Brandt",
    "Brown",
    "Carvalho",
    "Costa",
    "Dubois",
    "Fischer",
    "Fontaine",
    "García",
    "Haddad",
    "Hansen",
    "Hoffmann",
    "Ito",
    "Jansen",
    "Kaya",
    "Keller",
    "Khan",
    "Kim",
    "Kowalski",
    "Larsen",
    "Lindqvist",
    "Martin",
    "Meyer",
    "Moreau",
    "Nakamura",
    "Novak",
    "Okafor",
    "Olsen",
    "Patel",
    "Petrov",
    "Rossi",
    "Santos",
    "Schmidt",
    "Schneider",
    "Silva",
    "Singh",
    "Smith",
    "Tanaka",
    "Taylor",
    "Visser",
    "Vogel",
    "Wagner",
    "Weber",
    "Wójcik",
    "Yilmaz",
    "Zhang",
];
