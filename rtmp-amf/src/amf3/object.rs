//! Objects, and what those of one class have in common.

use std::sync::{Arc, LazyLock};

use super::value::{Properties, Value};
use crate::AmfString;

/// The traits of a class (AMF3 section 3.12): its name, the names that all its objects have, and whether an object
/// may have more. Sent once for many objects, and shared by them here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Traits {
    /// The name under which the class is registered; empty for anonymous objects.
    pub class_name: AmfString,
    /// Whether objects may have properties beside the sealed ones.
    pub dynamic: bool,
    /// Names of the sealed properties, in the order of their values.
    pub sealed: Vec<AmfString>,
}

impl Traits {
    /// Those of an object that is nothing but a list of properties.
    fn anonymous() -> &'static Arc<Self> {
        static ANONYMOUS: LazyLock<Arc<Traits>> = LazyLock::new(|| Traits::dynamic("").into());
        &ANONYMOUS
    }

    /// Those of a class whose objects have dynamic properties only.
    #[must_use]
    pub fn dynamic(class_name: impl Into<AmfString>) -> Self {
        Self {
            class_name: class_name.into(),
            dynamic: true,
            sealed: Vec::new(),
        }
    }

    /// Those of a class whose objects have exactly these properties.
    #[must_use]
    pub fn sealed<N: Into<AmfString>>(
        class_name: impl Into<AmfString>,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        Self {
            class_name: class_name.into(),
            dynamic: false,
            sealed: names.into_iter().map(Into::into).collect(),
        }
    }
}

/// An object (AMF3 section 3.12): the sealed properties of its class, then dynamic ones.
///
/// ```
/// use rtmp_amf::amf3::{Object, Traits, Value};
///
/// let anonymous = Object::new().with("app", "live");
/// assert_eq!(anonymous.get("app").and_then(Value::as_str), Some("live"));
///
/// let point = Object::of(Traits::sealed("geom.Point", ["x", "y"]), [1.into(), 2.into()]);
/// assert_eq!(point.get("y"), Some(&2.into()));
/// assert_eq!(point.class_name(), "geom.Point");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    traits: Arc<Traits>,
    /// As many as the traits have names.
    sealed: Vec<Value>,
    dynamic: Properties,
}

impl Object {
    /// An anonymous object without properties.
    #[must_use]
    pub fn new() -> Self {
        Self {
            traits: Arc::clone(Traits::anonymous()),
            sealed: Vec::new(),
            dynamic: Properties::new(),
        }
    }

    /// An object of a class, with the values of its sealed properties: missing ones are undefined, surplus ones are
    /// left out. Objects that are given the same `Arc` share it.
    #[must_use]
    pub fn of(traits: impl Into<Arc<Traits>>, sealed: impl IntoIterator<Item = Value>) -> Self {
        let traits = traits.into();
        let mut sealed: Vec<_> = sealed.into_iter().take(traits.sealed.len()).collect();
        sealed.resize(traits.sealed.len(), Value::Undefined);
        Self {
            traits,
            sealed,
            dynamic: Properties::new(),
        }
    }

    /// What it has in common with others of its class.
    #[must_use]
    pub const fn traits(&self) -> &Arc<Traits> {
        &self.traits
    }

    /// The name of its class; empty if it is anonymous.
    #[must_use]
    pub fn class_name(&self) -> &AmfString {
        &self.traits.class_name
    }

    /// The values of the sealed properties, in the order of [`Traits::sealed`].
    #[must_use]
    pub const fn sealed(&self) -> &[Value] {
        self.sealed.as_slice()
    }

    /// The dynamic properties.
    #[must_use]
    pub const fn dynamic(&self) -> &Properties {
        &self.dynamic
    }

    /// The value of a property. Of several with one name the last one, so dynamic ones go first.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let sealed = || {
            let at = self.traits.sealed.iter().rposition(|name| *name == *key)?;
            self.sealed.get(at)
        };
        self.dynamic.get(key).or_else(sealed)
    }

    /// Sets a property: replaces the value that [`get`](Self::get) would find and returns it, or adds a dynamic one.
    /// An object of a sealed class becomes one of a dynamic class by that.
    pub fn insert(&mut self, key: impl Into<AmfString>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        let is_dynamic = self.dynamic.iter().any(|(name, _)| *name == key);
        if let Some(at) = self.traits.sealed.iter().rposition(|name| *name == key)
            && !is_dynamic
        {
            return self.sealed.get_mut(at).map(|old| std::mem::replace(old, value));
        }
        if !self.traits.dynamic {
            Arc::make_mut(&mut self.traits).dynamic = true;
        }
        self.dynamic.insert(key, value)
    }

    /// [`insert`](Self::insert) for building an object in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<AmfString>, value: impl Into<Value>) -> Self {
        self.insert(key, value);
        self
    }

    /// All properties in the order in which they are sent: sealed ones, then dynamic ones.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&AmfString, &Value)> {
        let sealed = self.traits.sealed.iter().zip(&self.sealed);
        sealed.chain(&self.dynamic)
    }

    /// Number of properties, equal names counted each.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.sealed.len().saturating_add(self.dynamic.len())
    }

    /// Whether there are no properties.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was decoded; `sealed` has as many values as `traits` has names.
    pub(super) const fn from_parts(traits: Arc<Traits>, sealed: Vec<Value>, dynamic: Properties) -> Self {
        Self {
            traits,
            sealed,
            dynamic,
        }
    }
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Properties> for Object {
    fn from(dynamic: Properties) -> Self {
        Self {
            dynamic,
            ..Self::new()
        }
    }
}

impl<K: Into<AmfString>> FromIterator<(K, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(properties: I) -> Self {
        Properties::from_iter(properties).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> Object {
        Object::of(Traits::sealed("Point", ["x", "y"]), [1.into(), 2.into()])
    }

    #[test]
    fn an_object_has_a_value_for_each_sealed_name() {
        let traits = Arc::new(Traits::sealed("Point", ["x", "y"]));
        let short = Object::of(Arc::clone(&traits), [1.into()]);
        assert_eq!(short.sealed(), [1.into(), Value::Undefined]);
        let long = Object::of(traits, [1.into(), 2.into(), 3.into()]);
        assert_eq!(long, point());
    }

    #[test]
    fn sealed_properties_are_changed_in_place_and_others_added() {
        let mut object = point();
        assert_eq!(object.insert("x", 5), Some(1.into()));
        assert!(!object.traits().dynamic && object.len() == 2);
        assert_eq!(object.insert("z", 6), None);
        assert!(object.traits().dynamic && *object.class_name() == "Point");
        let pairs: Vec<_> = object
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("x".into(), 5.into()),
                ("y".into(), 2.into()),
                ("z".into(), 6.into())
            ]
        );
        assert_eq!((object.get("y"), object.get("w")), (Some(&2.into()), None));
    }

    #[test]
    fn a_dynamic_property_hides_the_sealed_one_of_that_name() {
        let traits = Arc::new(Traits {
            dynamic: true,
            ..Traits::sealed("C", ["a"])
        });
        let dynamic = Properties::new().with("a", 2);
        let mut object = Object::from_parts(traits, vec![1.into()], dynamic);
        assert_eq!(object.get("a"), Some(&2.into()));
        assert_eq!(object.insert("a", 3), Some(2.into()));
        assert_eq!(object.sealed(), [1.into()]);
    }

    #[test]
    fn anonymous_objects_share_their_traits() {
        assert!(Arc::ptr_eq(Object::new().traits(), Object::default().traits()));
        assert!(Object::new().is_empty() && Object::new().class_name().is_empty());
    }
}
