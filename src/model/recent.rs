//! A memory of what was met last, bounded by what it holds.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key, in two generations of some weight each: when the younger is full it becomes the older, which is forgotten.
#[derive(Debug)]
pub struct Recent<K, V> {
    most: usize,
    young: HashMap<K, (V, usize)>,
    young_weight: usize,
    old: HashMap<K, (V, usize)>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// An empty one, whose generations weigh at most so much each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, young: HashMap::new(), young_weight: 0, old: HashMap::new() }
    }

    /// Remembers a value of some weight, instead of the one before.
    pub fn put(&mut self, key: K, value: V, weight: usize) {
        self.take(&key);
        if self.young_weight + weight > self.most {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        self.young_weight += weight;
        self.young.insert(key, (value, weight));
    }

    /// What is remembered of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key)).map(|(value, _)| value)
    }

    /// Takes out what is remembered of a key.
    pub fn take(&mut self, key: &K) -> Option<V> {
        if let Some((value, weight)) = self.young.remove(key) {
            self.young_weight -= weight;
            return Some(value);
        }
        self.old.remove(key).map(|(value, _)| value)
    }

    /// All that is remembered, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.old.iter().chain(&self.young).map(|(key, (value, _))| (key, value))
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        *self = Self::new(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_stays() {
        let mut recent = Recent::new(1_000);
        for n in 0..3_000_usize {
            recent.put(n, n, n % 90);
        }
        let weight = |of: &HashMap<usize, (usize, usize)>| -> usize { of.values().map(|(_, weight)| weight).sum() };
        assert_eq!(weight(&recent.young), recent.young_weight);
        assert!(recent.young_weight <= 1_000 && (1..=1_000).contains(&weight(&recent.old)));
        assert!(recent.get(&0).is_none());
        recent.put(2_999, 77, 5);
        let of_old = *recent.old.keys().next().expect("it is not empty");
        recent.put(of_old, 78, 6);
        assert_eq!((recent.get(&2_999), recent.get(&of_old)), (Some(&77), Some(&78)));
        assert_eq!(recent.iter().filter(|(key, _)| [2_999, of_old].contains(key)).count(), 2, "each is there once");
        assert_eq!(weight(&recent.young), recent.young_weight);
        assert_eq!((recent.take(&2_999), recent.take(&2_999)), (Some(77), None));
        assert_eq!(weight(&recent.young), recent.young_weight);
        recent.forget();
        assert_eq!((recent.iter().count(), recent.young_weight), (0, 0));
    }
}
