//! The members of a JSON object.

use super::Json;

/// Members of a JSON object, by key, in the order of the keys' bytes.
///
/// A sorted vector and not a tree: documents are made of many small objects, and a tree node
/// costs ten times what a member of a small one needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(String, Json)>);

impl Object {
    /// One without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an object of members in any order, each with its place in the document.
    ///
    /// # Errors
    /// The place and key of a member whose key was there before.
    pub(super) fn of_members(
        mut members: Vec<(String, usize, Json)>,
    ) -> Result<Self, (usize, String)> {
        // Equal keys stay in the order of the document, so the second one is named.
        members.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let twice = members.windows(2).find(|pair| pair[0].0 == pair[1].0);
        if let Some([_, (key, place, _)]) = twice {
            return Err((*place, key.clone()));
        }
        let members = members.into_iter().map(|(key, _, value)| (key, value));
        Ok(Self(members.collect()))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        self.place(key).ok().map(|at| &mut self.0[at].1)
    }

    /// Sets the value of `key`. Returns the one that was there.
    pub fn insert(&mut self, key: impl Into<String>, value: Json) -> Option<Json> {
        let key = key.into();
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }

    /// Members in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&String, &Json)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Members with values to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Json)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(other, _)| other.as_str().cmp(key))
    }
}

impl<K: Into<String>, V: Into<Json>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let mut object = Self::new();
        for (key, value) in members {
            object.insert(key, value.into());
        }
        object
    }
}
