//! Short names that occur often, each stored once: types, roles, layers, paths.

use crate::order;
use crate::terms::FixedMap;

/// Names and their numbers, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    numbers: FixedMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Symbols {
    pub(crate) fn add(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    /// In the order of their names.
    pub(crate) fn sort(&self, numbers: &mut Vec<u32>) {
        order::sort_by(numbers, |&a, &b| self.name(a).cmp(self.name(b)));
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name most similar to an unknown one, of those that count.
    pub(crate) fn similar(&self, name: &str, counts: impl Fn(u32) -> bool) -> Option<String> {
        let known = self.names.iter().zip(0..).filter(|(_, number)| counts(*number)).map(|(name, _)| &**name);
        crate::columns::most_similar(name, known).map(str::to_owned)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.names.iter().map(|name| name.len() * 2 + 64).sum()
    }
}
