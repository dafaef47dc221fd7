//! Arrays, vectors and dictionaries.

use std::fmt;

use super::value::{Properties, Value};
use crate::AmfString;

/// An array (AMF3 section 3.11): properties with names of their own, then elements counted from 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Array {
    /// The associative part. An empty name cannot be encoded.
    pub properties: Properties,
    /// The dense part.
    pub elements: Vec<Value>,
}

impl From<Vec<Value>> for Array {
    fn from(elements: Vec<Value>) -> Self {
        Self {
            properties: Properties::new(),
            elements,
        }
    }
}

impl From<Properties> for Array {
    fn from(properties: Properties) -> Self {
        Self {
            properties,
            elements: Vec::new(),
        }
    }
}

/// A vector of numbers (AMF3 section 3.15): of `i32`, `u32` or `f64`.
#[derive(Clone, PartialEq, Default)]
pub struct Vector<T> {
    /// Whether its length is meant to stay.
    pub fixed: bool,
    /// The numbers.
    pub elements: Vec<T>,
}

impl<T: fmt::Debug> fmt::Debug for Vector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let mut vector = f.debug_struct("Vector");
        vector
            .field("fixed", &self.fixed)
            .field("len", &self.elements.len());
        match self.elements.get(..SHOWN) {
            Some(shown) if self.elements.len() > SHOWN => {
                vector.field("elements", &shown).finish_non_exhaustive()
            }
            _ => vector.field("elements", &self.elements).finish(),
        }
    }
}

impl<T> From<Vec<T>> for Vector<T> {
    fn from(elements: Vec<T>) -> Self {
        Self {
            fixed: false,
            elements,
        }
    }
}

/// A vector of values that are meant to be of one class (AMF3 section 3.15); nothing checks that they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectVector {
    /// Whether its length is meant to stay.
    pub fixed: bool,
    /// The name of the class; `*` or nothing stands for any.
    pub type_name: AmfString,
    /// The values.
    pub elements: Vec<Value>,
}

/// A dictionary (AMF3 section 3.16): values found by values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dictionary {
    /// Whether an entry is meant to vanish when nothing else holds its key.
    pub weak_keys: bool,
    /// Keys and values in the order in which they are sent.
    pub entries: Vec<(Value, Value)>,
}

impl Dictionary {
    /// The value of a key, the last one if there are several.
    #[must_use]
    pub fn get(&self, key: &Value) -> Option<&Value> {
        self.entries
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }
}

impl FromIterator<(Value, Value)> for Dictionary {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(entries: I) -> Self {
        Self {
            weak_keys: false,
            entries: entries.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_in_a_dictionary_wins() {
        let dictionary = Dictionary::from_iter([
            ("k".into(), 1.into()),
            (2.into(), Value::Null),
            ("k".into(), 3.into()),
        ]);
        assert_eq!(dictionary.get(&"k".into()), Some(&3.into()));
        assert_eq!(dictionary.get(&Value::Null), None);
    }
}
