//! What is kept in memory, bounded in bytes: what was used longest ago goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// What an entry takes beside its value.
const ENTRY_BYTES: usize = 256;

/// Values by key, of so many bytes together.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    max_bytes: usize,
    bytes: usize,
    entries: HashMap<K, Entry<V>>,
    /// Keys by when they were used last.
    by_use: BTreeMap<u64, K>,
    next_use: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Cache<K, V> {
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, entries: HashMap::new(), by_use: BTreeMap::new(), next_use: 0 }
    }

    /// Keeps a value of so many bytes, instead of the one that was there. One that would take more than a quarter of the whole
    /// is not kept.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        if bytes > self.max_bytes / 4 {
            return;
        }
        while self.bytes + bytes > self.max_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
        let used = self.tick();
        self.by_use.insert(used, key.clone());
        self.entries.insert(key, Entry { value, bytes, used });
        self.bytes += bytes;
    }

    /// The value, which is used by that.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let used = self.tick();
        let entry = self.entries.get_mut(key)?;
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(used, key);
        }
        entry.used = used;
        Some(&entry.value)
    }

    /// Forgets one.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.by_use.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    fn tick(&mut self) -> u64 {
        self.next_use += 1;
        self.next_use
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = Cache::new(4 * (100 + ENTRY_BYTES));
        for key in 0..4 {
            cache.insert(key, key * 10, 100);
        }
        assert_eq!(cache.get(&0), Some(&0));
        cache.insert(4, 40, 100);
        assert_eq!([1, 0, 4].map(|key| cache.get(&key).copied()), [None, Some(0), Some(40)]);
        cache.insert(5, 50, 1_000_000);
        assert_eq!([5, 0].map(|key| cache.get(&key).copied()), [None, Some(0)], "what is too large drives nothing out");
    }

    #[test]
    fn a_cache_of_nothing_keeps_nothing() {
        let mut cache = Cache::new(0);
        cache.insert(1, 1, 0);
        assert_eq!((cache.get(&1).copied(), cache.bytes), (None, 0));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Insert(u8, usize),
        Get(u8),
        Remove(u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0_u8..12, 0_usize..900).prop_map(|(key, bytes)| Act::Insert(key, bytes)),
            (0_u8..12).prop_map(Act::Get),
            (0_u8..12).prop_map(Act::Remove),
        ]
    }

    proptest! {
        /// It is what a list in the order of use is, cut where it is too long.
        #[test]
        fn it_is_a_list_in_order_of_use(acts in prop::collection::vec(act(), 0..80)) {
            const MAX: usize = 4_000;
            let mut cache = Cache::new(MAX);
            let mut list: Vec<(u8, usize, usize)> = Vec::new();
            for (at, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Insert(key, bytes) => {
                        cache.insert(key, at, bytes);
                        list.retain(|(known, ..)| *known != key);
                        let bytes = bytes + ENTRY_BYTES;
                        if bytes <= MAX / 4 {
                            while list.iter().map(|(_, _, bytes)| bytes).sum::<usize>() + bytes > MAX {
                                list.remove(0);
                            }
                            list.push((key, at, bytes));
                        }
                    }
                    Act::Get(key) => {
                        let place = list.iter().position(|(known, ..)| *known == key);
                        let found = place.map(|place| list.remove(place));
                        list.extend(found);
                        prop_assert_eq!(cache.get(&key).copied(), found.map(|(_, value, _)| value));
                    }
                    Act::Remove(key) => {
                        let place = list.iter().position(|(known, ..)| *known == key);
                        let found = place.map(|place| list.remove(place).1);
                        prop_assert_eq!(cache.remove(&key), found);
                    }
                }
                prop_assert_eq!(cache.bytes, list.iter().map(|(_, _, bytes)| bytes).sum::<usize>());
                prop_assert!(cache.bytes <= MAX);
                prop_assert_eq!((cache.entries.len(), cache.by_use.len()), (list.len(), list.len()));
            }
        }
    }
}
