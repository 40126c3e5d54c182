//! Who visits the shop, decided by seed and number alone: the same person on every run.

use super::catalogue::{DEVICES, Device, FIRST_NAMES, LAST_NAMES, PLACES, Place, SOURCES, Source};
use super::rng::{Purpose, Rng};

/// One device in somebody's hands, known to the SDK by its own id.
#[derive(Debug)]
pub(super) struct OwnDevice {
    pub device: &'static Device,
    pub id: String,
    pub screen: (i64, i64),
}

/// Somebody who visits the shop.
#[derive(Debug)]
pub(super) struct Person {
    /// One, or a phone beside a desktop.
    pub devices: Vec<OwnDevice>,
    pub place: &'static Place,
    /// What led here the first time.
    pub source: &'static Source,
    /// How likely to come back, against the average; 0 for those who never do.
    pub loyalty: f64,
    /// How ready to buy, against the average.
    pub intent: f64,
    /// The id the shop gives on sign-up.
    pub user_id: String,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub email: String,
    /// Whether the person joins the paying club on sign-up.
    pub joins_club: bool,
    /// The arm of the experiment with the new checkout.
    pub sees_new_checkout: bool,
}

impl Person {
    /// The person with this number in the shop of this seed.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut rng = Rng::new(seed, Purpose::Person, number);
        let place = rng.weighted(PLACES, |place| place.weight);
        let source = rng.weighted(SOURCES, |source| source.weight);
        let mut devices = vec![OwnDevice::new(&mut rng, |_| true)];
        if rng.chance(0.22) {
            let first = devices[0].device.kind;
            devices.push(OwnDevice::new(&mut rng, |device| device.kind != first));
        }
        let loyalty = match rng.unit() {
            u if u < 0.42 => 0.0,
            u if u < 0.78 => rng.between(0.3, 0.9),
            _ => rng.between(1.5, 3.5),
        };
        let (first_name, last_name) = (*rng.pick(FIRST_NAMES), *rng.pick(LAST_NAMES));
        let email = format!("{}.{}.{number}@example.com", plain(first_name), plain(last_name));
        Self {
            devices,
            place,
            source,
            loyalty,
            intent: source.intent * rng.between(0.5, 1.5) * if loyalty > 1.0 { 1.3 } else { 1.0 },
            user_id: format!("cus_{}", &rng.uuid().simple().to_string()[..14]),
            first_name,
            last_name,
            email,
            joins_club: rng.chance(0.25),
            sees_new_checkout: rng.chance(0.5),
        }
    }
}

impl OwnDevice {
    fn new(rng: &mut Rng, fits: impl Fn(&Device) -> bool) -> Self {
        let device = rng.weighted(DEVICES, |device| if fits(device) { device.weight } else { 0.0 });
        Self { device, id: rng.uuid().to_string(), screen: *rng.pick(device.screens) }
    }
}

/// A name as it stands in an address: ASCII letters in lower case.
fn plain(name: &str) -> String {
    let letter = |c| match c {
        'í' => 'i',
        'á' => 'a',
        'ó' => 'o',
        'ë' => 'e',
        c => c,
    };
    name.chars().map(letter).filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_the_same_on_every_run_and_unlike_the_next() {
        assert_eq!(Person::new(1, 5).email, Person::new(1, 5).email);
        assert_eq!(Person::new(1, 5).devices[0].id, Person::new(1, 5).devices[0].id);
        assert_ne!(Person::new(1, 5).user_id, Person::new(1, 6).user_id);
        assert_ne!(Person::new(1, 5).user_id, Person::new(2, 5).user_id);
    }

    #[test]
    fn mail_addresses_are_plain_and_nobodys() {
        for number in 0..500 {
            let email = Person::new(3, number).email;
            assert!(email.is_ascii() && email.ends_with("@example.com"), "{email}");
        }
    }
}
