//! Key and value lists that keep what the peer sent: order and repetitions.

use std::fmt;

use crate::AmfString;

/// The properties of an object or an ECMA array, in the order in which they are sent.
///
/// It is a list, not a map: encoders print and relays forward metadata in its order, and a key that occurs twice is
/// kept twice. Look-ups scan from the end, so the last of equal keys wins, as it does in ActionScript, and no choice
/// of keys makes them slower than linear. Two objects are equal if they have the same pairs in the same order.
///
/// ```
/// use rtmp_amf::amf0::{Object, Value};
///
/// let object = Object::new().with("app", "live").with("fpad", false);
/// assert_eq!(object.get("app").and_then(Value::as_str), Some("live"));
/// assert_eq!(object.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), ["app", "fpad"]);
/// ```
#[derive(Clone, PartialEq)]
pub struct Object<V> {
    properties: Vec<(AmfString, V)>,
}

impl<V> Object<V> {
    /// An object without properties; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            properties: Vec::new(),
        }
    }

    /// Takes over a list of properties.
    pub(crate) const fn from_properties(properties: Vec<(AmfString, V)>) -> Self {
        Self { properties }
    }

    /// Appends a property, also when the key is there already.
    pub fn push(&mut self, key: impl Into<AmfString>, value: impl Into<V>) {
        self.properties.push((key.into(), value.into()));
    }

    /// Sets a property: replaces the value that [`get`](Self::get) would find and returns it, or appends.
    pub fn insert(&mut self, key: impl Into<AmfString>, value: impl Into<V>) -> Option<V> {
        let (key, value) = (key.into(), value.into());
        match self.properties.iter_mut().rev().find(|(k, _)| *k == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.properties.push((key, value));
                None
            }
        }
    }

    /// [`push`](Self::push) for building an object in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<AmfString>, value: impl Into<V>) -> Self {
        self.push(key, value);
        self
    }

    /// The value of `key`, the last one if there are several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.properties
            .iter()
            .rev()
            .find(|(k, _)| *k == *key)
            .map(|(_, value)| value)
    }

    /// Like [`get`](Self::get), to change the value in place.
    #[must_use]
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.properties
            .iter_mut()
            .rev()
            .find(|(k, _)| *k == *key)
            .map(|(_, value)| value)
    }

    /// Like [`get`](Self::get), ASCII letters alike in both cases: peers write both `tcUrl` and `tcurl`.
    #[must_use]
    pub fn get_ignore_case(&self, key: &str) -> Option<&V> {
        let equal = |k: &AmfString| k.as_bytes().eq_ignore_ascii_case(key.as_bytes());
        self.properties
            .iter()
            .rev()
            .find(|(k, _)| equal(k))
            .map(|(_, value)| value)
    }

    /// Removes every property of that key; returns the value of the last one.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let mut last = None;
        for (_, value) in self.properties.extract_if(.., |(k, _)| *k == *key) {
            last = Some(value);
        }
        last
    }

    /// The properties in order.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter {
            properties: self.properties.iter(),
        }
    }

    /// Number of properties, equal keys counted each.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.properties.len()
    }

    /// Whether there are no properties.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }
}

impl<V> Default for Object<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for Object<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Into<AmfString>, V> FromIterator<(K, V)> for Object<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(properties: I) -> Self {
        Self {
            properties: properties
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        }
    }
}

impl<K: Into<AmfString>, V> Extend<(K, V)> for Object<V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, properties: I) {
        self.properties
            .extend(properties.into_iter().map(|(key, value)| (key.into(), value)));
    }
}

impl<V> IntoIterator for Object<V> {
    type Item = (AmfString, V);
    type IntoIter = std::vec::IntoIter<(AmfString, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.properties.into_iter()
    }
}

impl<'a, V> IntoIterator for &'a Object<V> {
    type Item = (&'a AmfString, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The properties of an [`Object`] in order; see [`Object::iter`].
#[derive(Debug, Clone)]
pub struct Iter<'a, V> {
    properties: std::slice::Iter<'a, (AmfString, V)>,
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a AmfString, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.properties.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.properties.size_hint()
    }
}

impl<V> DoubleEndedIterator for Iter<'_, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.properties.next_back().map(|(key, value)| (key, value))
    }
}

impl<V> ExactSizeIterator for Iter<'_, V> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice() -> Object<u32> {
        Object::new().with("a", 1u32).with("b", 2u32).with("a", 3u32)
    }

    fn pairs(object: &Object<u32>) -> Vec<(String, u32)> {
        object
            .iter()
            .map(|(key, value)| (key.to_string(), *value))
            .collect()
    }

    #[test]
    fn order_and_equal_keys_are_kept_and_the_last_one_wins() {
        assert_eq!(
            pairs(&twice()),
            [("a".into(), 1), ("b".into(), 2), ("a".into(), 3)]
        );
        assert_eq!(
            (twice().get("a"), twice().get("b"), twice().get("A")),
            (Some(&3), Some(&2), None)
        );
        assert_eq!(
            (
                twice().len(),
                twice().is_empty(),
                Object::<u32>::default().is_empty()
            ),
            (3, false, true)
        );
    }

    #[test]
    fn equality_depends_on_order() {
        let ab: Object<u32> = [("a", 1), ("b", 2)].into_iter().collect();
        let ba: Object<u32> = [("b", 2), ("a", 1)].into_iter().collect();
        assert_ne!(ab, ba);
        assert_eq!(
            ab,
            ba.iter()
                .rev()
                .map(|(key, value)| (key.clone(), *value))
                .collect()
        );
    }

    #[test]
    fn insert_replaces_what_get_finds_or_appends() {
        let mut object = twice();
        assert_eq!(object.insert("a", 4u32), Some(3));
        assert_eq!(object.insert("c", 5u32), None);
        assert_eq!(
            pairs(&object),
            [("a".into(), 1), ("b".into(), 2), ("a".into(), 4), ("c".into(), 5)]
        );
    }

    #[test]
    fn remove_takes_all_of_that_key_and_returns_the_last() {
        let mut object = twice();
        assert_eq!(object.remove("a"), Some(3));
        assert_eq!(object.remove("a"), None);
        assert_eq!(pairs(&object), [("b".into(), 2)]);
    }

    #[test]
    fn a_value_can_be_changed_in_place() {
        let mut object = twice();
        *object.get_mut("a").unwrap() += 10;
        assert_eq!(object.get("a"), Some(&13));
        assert_eq!(object.get_mut("z"), None);
    }

    #[test]
    fn case_can_be_ignored() {
        let object = Object::<u32>::new().with("tcUrl", 1u32).with("TCURL", 2u32);
        assert_eq!(
            (object.get_ignore_case("tcurl"), object.get_ignore_case("app")),
            (Some(&2), None)
        );
    }

    #[test]
    fn iterating_by_value_and_extending_keep_order() {
        let mut object = twice();
        object.extend([("z", 9)]);
        let keys: Vec<_> = object.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "b", "a", "z"]);
    }

    #[test]
    fn debug_reads_like_a_map() {
        assert_eq!(format!("{:?}", twice()), r#"{"a": 1, "b": 2, "a": 3}"#);
    }
}
