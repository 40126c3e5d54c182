//! What happens on a visit: somebody looks around, perhaps signs up, perhaps buys.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::browser::{Arrival, Browser, DemoEvent};
use super::catalogue::{ARTICLES, CATEGORIES, NEWSLETTER, PRODUCTS, Product, SEARCHES, SOURCES, Source, TYPED_IN};
use super::people::Person;
use super::rng::{Purpose, Rng};

/// What the shop remembers of somebody between visits.
#[derive(Debug, Clone, Default)]
pub(super) struct Customer {
    pub signed_up: bool,
    /// Which of the person's devices are signed in.
    pub knows_device: [bool; 2],
    pub orders: u32,
    pub spent_cents: i64,
    /// When the last visit ended.
    pub left_at: Option<Timestamp>,
}

/// What a visit depends on beside the person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub seed: u64,
    pub person_number: u32,
    pub visit_number: u32,
    pub starts_at: Timestamp,
    /// The newsletter went out today or yesterday.
    pub newsletter_is_fresh: bool,
    pub payments_are_broken: bool,
}

/// Plays one visit and updates what the shop remembers.
pub(super) fn play(person: &Person, customer: &mut Customer, around: Circumstances) -> Vec<DemoEvent> {
    let index = (u64::from(around.person_number) << 32) | u64::from(around.visit_number);
    let mut rng = Rng::new(around.seed, Purpose::Visit, index);
    let device = if around.visit_number > 0 && person.devices.len() > 1 { rng.below(2) } else { 0 };
    let source = source_of(person, customer, around, &mut rng);
    let user_id = customer.knows_device[device].then_some(person.user_id.as_str());
    let arrival = Arrival { person, device: &person.devices[device], source, starts_at: around.starts_at, user_id };
    let story = Story { person, around, browser: Browser::new(arrival, rng), customer, device };
    story.tell(source)
}

fn source_of(person: &Person, customer: &Customer, around: Circumstances, rng: &mut Rng) -> &'static Source {
    if around.visit_number == 0 {
        return person.source;
    }
    let mail = if customer.signed_up { if around.newsletter_is_fresh { 0.45 } else { 0.06 } } else { 0.0 };
    match rng.unit() {
        u if u < mail => NEWSLETTER,
        u if u < mail + 0.35 => TYPED_IN,
        u if u < mail + 0.50 => person.source,
        _ => rng.weighted(SOURCES, |source| source.weight),
    }
}

struct Story<'a> {
    person: &'a Person,
    customer: &'a mut Customer,
    around: Circumstances,
    device: usize,
    browser: Browser<'a>,
}

/// A line of the cart.
struct Item {
    product: &'static Product,
    quantity: i64,
}

impl Story<'_> {
    fn tell(mut self, source: &Source) -> Vec<DemoEvent> {
        self.land(source);
        let intent = self.person.intent.clamp(0.2, 2.5);
        // Half of those who came by accident leave at once.
        if self.chance(0.30 / intent.max(0.6)) {
            return self.end();
        }
        if self.customer.signed_up && !self.browser.is_known() && self.chance(0.6) {
            self.sign_in();
        }
        let mut cart: Vec<Item> = Vec::new();
        let stays = self.browser.rng.between(1.0, 3.4 + 1.6 * intent);
        let mut steps = 0.0;
        while steps < stays {
            steps += 1.0;
            match self.browser.rng.unit() {
                u if u < 0.56 => self.look_at_product(&mut cart, intent),
                u if u < 0.74 => self.browse_category(),
                u if u < 0.84 => self.search(),
                u if u < 0.92 => self.read(),
                _ => self.use_a_feature(),
            }
        }
        if !self.customer.signed_up && self.chance(0.07) {
            self.sign_up("menu");
        }
        if !cart.is_empty() {
            self.check_out(&cart, intent);
        }
        self.end()
    }

    fn end(mut self) -> Vec<DemoEvent> {
        self.browser.dwell(20.0);
        self.customer.left_at = Some(self.browser.now());
        self.browser.close()
    }

    fn chance(&mut self, p: f64) -> bool {
        self.browser.rng.chance(p)
    }

    fn land(&mut self, source: &Source) {
        if source.reads {
            let (path, title) = *self.browser.rng.pick(ARTICLES);
            self.browser.open(path, title);
            self.browser.dwell(70.0);
        } else if source.intent > 1.25 && self.chance(0.5) {
            let product = self.some_product();
            self.browser.open(&format!("/products/{}", product.slug), product.name);
            self.view(product);
        } else {
            self.browser.open("/", "Home");
            self.browser.dwell(14.0);
        }
        self.stumble();
    }

    fn some_product(&mut self) -> &'static Product {
        self.browser.rng.weighted(PRODUCTS, |product| product.popularity)
    }

    fn view(&mut self, product: &Product) {
        self.browser.dwell(1.0);
        self.browser.track("product viewed", described(product));
        self.browser.dwell(28.0);
    }

    fn look_at_product(&mut self, cart: &mut Vec<Item>, intent: f64) {
        let product = self.some_product();
        self.browser.click("a", "product-card", product.name);
        self.browser.open(&format!("/products/{}", product.slug), product.name);
        self.view(product);
        if self.chance(0.2) {
            self.browser.click("button", "photo", "Next photo");
            self.browser.dwell(6.0);
        }
        let dear = if product.price_cents > 6_000 { 0.75 } else { 1.1 };
        if self.chance(0.09 * intent * dear) {
            let quantity = if product.price_cents < 1_600 && self.chance(0.4) { 2 } else { 1 };
            self.browser.click("button", "add-to-cart", "Add to cart");
            let mut properties = described(product);
            properties["quantity"] = quantity.into();
            self.browser.track("added to cart", properties);
            cart.push(Item { product, quantity });
            self.browser.dwell(5.0);
        } else if self.chance(0.05) {
            self.browser.click("button", "wish", "Save for later");
            self.browser.track("wishlist added", described(product));
        }
        self.stumble();
    }

    fn browse_category(&mut self) {
        let (slug, name) = *self.browser.rng.pick(CATEGORIES);
        self.browser.click("a", "nav-link", name);
        self.browser.open(&format!("/{slug}"), name);
        self.browser.dwell(16.0);
        if self.chance(0.3) {
            let filter = *self.browser.rng.pick(&["price", "material", "in stock", "rating"]);
            self.browser.click("button", "filter", "Filter");
            self.browser.track("filter applied", json!({ "filter": filter, "category": slug }));
            self.browser.dwell(9.0);
        }
    }

    fn search(&mut self) {
        let query = *self.browser.rng.pick(SEARCHES);
        let results = PRODUCTS.iter().filter(|p| p.slug.contains(&query.replace(' ', "-"))).count();
        self.browser.open("/search", "Search");
        self.browser.track("searched", json!({ "query": query, "results": results }));
        self.browser.dwell(12.0);
    }

    fn read(&mut self) {
        let (path, title) = *self.browser.rng.pick(ARTICLES);
        self.browser.click("a", "nav-link", "Journal");
        self.browser.open(path, title);
        self.browser.dwell(80.0);
    }

    fn use_a_feature(&mut self) {
        match self.browser.rng.below(4) {
            0 => {
                self.browser.open("/help/delivery", "Delivery");
                self.browser.dwell(20.0);
                self.browser.track("delivery cost checked", json!({ "country": self.person.place.code }));
            }
            1 => self.browser.track("chat opened", json!({ "topic": "order" })),
            2 if self.customer.orders > 0 => {
                let stars = 3 + self.browser.rng.below(3);
                self.browser.open("/account/orders", "Your orders");
                self.browser.dwell(25.0);
                self.browser.track("review written", json!({ "stars": stars }));
            }
            _ => {
                self.browser.click("button", "brew-timer", "Start timer");
                let minutes = *self.browser.rng.pick(&[2, 3, 4]);
                self.browser.track("brew timer started", json!({ "minutes": minutes }));
                self.browser.dwell(60.0);
            }
        }
    }

    /// Sometimes the shop's own script breaks.
    fn stumble(&mut self) {
        if !self.chance(0.008) {
            return;
        }
        let errors = [
            ("TypeError", "Cannot read properties of undefined (reading 'price')", "gallery.js"),
            ("ChunkLoadError", "Loading chunk 17 failed", "loader.js"),
            ("AbortError", "The user aborted a request", "search.js"),
        ];
        let (kind, message, file) = *self.browser.rng.pick(&errors);
        self.fail(kind, message, file);
    }

    fn fail(&mut self, kind: &str, message: &str, file: &str) {
        self.browser.track(
            "$exception",
            json!({
                "$exception_level": "error",
                "$exception_list": [{
                    "type": kind,
                    "value": message,
                    "mechanism": { "type": "onerror", "handled": false, "synthetic": false },
                    "stacktrace": { "type": "raw", "frames": [{
                        "platform": "web:javascript",
                        "filename": format!("https://shop.example.com/js/{file}"),
                        "function": "render", "lineno": 118, "colno": 22, "in_app": true,
                    }] },
                }],
            }),
        );
    }

    fn sign_in(&mut self) {
        self.browser.open("/sign-in", "Sign in");
        self.browser.dwell(15.0);
        self.browser.click("button", "submit", "Sign in");
        self.know(json!({}));
        self.browser.track("signed in", json!({ "method": "password" }));
    }

    fn sign_up(&mut self, place: &str) {
        self.browser.open("/sign-up", "Create an account");
        self.browser.dwell(30.0);
        self.browser.click("button", "submit", "Create account");
        let plan = if self.person.joins_club { "club" } else { "free" };
        self.know(json!({
            "email": self.person.email,
            "name": format!("{} {}", self.person.first_name, self.person.last_name),
            "plan": plan,
            "country": self.person.place.country,
            "signed_up_at": self.browser.now().to_string(),
        }));
        self.browser.track("signed up", json!({ "plan": plan, "from": place }));
        self.customer.signed_up = true;
        self.browser.dwell(4.0);
    }

    fn know(&mut self, set: Value) {
        self.browser.identify(set);
        self.customer.knows_device[self.device] = true;
    }

    fn check_out(&mut self, cart: &[Item], intent: f64) {
        let total: i64 = cart.iter().map(|item| item.product.price_cents * item.quantity).sum();
        let count: i64 = cart.iter().map(|item| item.quantity).sum();
        self.browser.open("/cart", "Your cart");
        self.browser.dwell(18.0);
        if !self.chance((0.52 + 0.12 * intent).min(0.85)) {
            return;
        }
        let variant = if self.person.sees_new_checkout { "test" } else { "control" };
        self.browser.click("button", "checkout", "Check out");
        self.browser.open("/checkout", "Checkout");
        self.browser.track(
            "$feature_flag_called",
            json!({ "$feature_flag": "new-checkout", "$feature_flag_response": variant }),
        );
        let checkout = json!({ "value": euros(total), "currency": "EUR", "items": count, "checkout": variant });
        self.browser.track("checkout started", checkout.clone());
        if !self.customer.signed_up && self.chance(0.75) {
            self.sign_up("checkout");
            self.browser.open("/checkout", "Checkout");
        } else if self.customer.signed_up && !self.browser.is_known() {
            self.sign_in();
            self.browser.open("/checkout", "Checkout");
        }
        self.browser.dwell(45.0);
        let patient = if self.person.sees_new_checkout { 0.84 } else { 0.73 };
        let small_screen = if self.person.devices[self.device].device.kind == "Mobile" { 0.92 } else { 1.0 };
        if !self.chance(patient * small_screen) {
            return;
        }
        let method = *self.browser.rng.pick(&["card", "card", "card", "paypal", "sepa", "invoice"]);
        let mut payment = checkout;
        payment["method"] = method.into();
        self.browser.track("payment entered", payment.clone());
        self.browser.dwell(15.0);
        self.browser.click("button", "pay", "Pay now");
        let safari = self.person.devices[self.device].device.browser.contains("Safari");
        let broken = self.around.payments_are_broken && safari;
        if self.chance(if broken { 0.7 } else { 0.06 }) {
            let reason = if broken { "script error" } else { "declined" };
            if broken {
                self.fail("ReferenceError", "Can't find variable: PaymentRequest", "pay.js");
            }
            payment["reason"] = reason.into();
            self.browser.track("payment failed", payment);
            return;
        }
        self.complete(cart, total, count, &payment);
    }

    fn complete(&mut self, cart: &[Item], total: i64, count: i64, payment: &Value) {
        self.browser.open("/checkout/thanks", "Thank you");
        let coupon = self.chance(0.12);
        let revenue = if coupon { total - total / 10 } else { total } + if total < 5_000 { 490 } else { 0 };
        self.customer.orders += 1;
        self.customer.spent_cents += revenue;
        let mut order = json!({
            "order_id": format!("KC-{}", &self.browser.rng.uuid().simple().to_string()[..8]),
            "revenue": euros(revenue),
            "currency": "EUR",
            "items": count,
            "products": cart.iter().map(|item| item.product.slug).collect::<Vec<_>>(),
            "shipping": if total < 5_000 { 4.9 } else { 0.0 },
            "method": payment["method"],
            "checkout": payment["checkout"],
            "is_first_order": self.customer.orders == 1,
        });
        if coupon {
            order["coupon"] = "WARMUP10".into();
        }
        let set = json!({ "orders": self.customer.orders, "lifetime_value": euros(self.customer.spent_cents) });
        self.browser.track_and_set("order completed", order, set);
        self.browser.dwell(12.0);
    }
}

fn described(product: &Product) -> Value {
    json!({
        "product": product.name,
        "category": product.category,
        "price": euros(product.price_cents),
        "currency": "EUR",
    })
}

/// Cents as euros; exact to the cent for any sum a shop sees.
fn euros(cents: i64) -> f64 {
    f64::from(i32::try_from(cents).unwrap_or(i32::MAX)) / 100.0
}
