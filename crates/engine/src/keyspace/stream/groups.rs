//! All consumer groups of a stream, in the order of their names.
//!
//! A group is changed through [`GroupMut`], which keeps the stream's memory count and the list of changed groups right
//! when it is let go: a stream of many groups is not asked about each of them after every change.
//! Next: `group.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref, DerefMut};

use super::dirt::StreamPart;
use super::group::Group;
use super::id::StreamId;

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    by_name: BTreeMap<Box<[u8]>, Group>,
    memory: usize,
    /// Names of groups made, changed or destroyed since dirt was last taken; none unless somebody wants to know.
    changed: Option<BTreeSet<Box<[u8]>>>,
}

/// A group being changed.
#[derive(Debug)]
pub(crate) struct GroupMut<'a> {
    name: &'a [u8],
    group: &'a mut Group,
    total: &'a mut usize,
    changed: Option<&'a mut BTreeSet<Box<[u8]>>>,
    before: usize,
}

impl Groups {
    pub(super) fn new(track: bool) -> Self {
        Self {
            by_name: BTreeMap::new(),
            memory: 0,
            changed: track.then(BTreeSet::new),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Group> {
        self.by_name.get(name)
    }

    /// A group and its name as it is kept here.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(&[u8], &Group)> {
        let (name, group) = self.by_name.get_key_value(name)?;
        Some((name, group))
    }

    /// The first group behind this name; the first of all without one.
    pub(crate) fn next_after(&self, name: Option<&[u8]>) -> Option<(&[u8], &Group)> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let (name, group) = self.by_name.range::<[u8], _>((from, Bound::Unbounded)).next()?;
        Some((name, group))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.by_name.iter().map(|(name, group)| (&**name, group))
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let one = (Bound::Included(name), Bound::Included(name));
        let (name, group) = self.by_name.range_mut::<[u8], _>(one).next()?;
        let before = group.memory();
        Some(GroupMut {
            name,
            group,
            total: &mut self.memory,
            changed: self.changed.as_mut(),
            before,
        })
    }

    /// False when there is a group of that name.
    pub(super) fn create(
        &mut self,
        name: &[u8],
        last_delivered: StreamId,
        entries_read: Option<u64>,
    ) -> bool {
        if self.by_name.contains_key(name) {
            return false;
        }
        self.by_name.insert(
            name.into(),
            Group::new(last_delivered, entries_read, self.changed.is_some()),
        );
        self.memory += held_by_name(name);
        self.note(name);
        true
    }

    pub(super) fn destroy(&mut self, name: &[u8]) -> bool {
        let Some((name, group)) = self.by_name.remove_entry(name) else {
            return false;
        };
        self.memory -= held_by_name(&name) + group.memory();
        self.note(&name);
        true
    }

    fn note(&mut self, name: &[u8]) {
        if let Some(changed) = &mut self.changed {
            changed.insert(name.into());
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn take_dirt(&mut self, parts: &mut Vec<StreamPart>) {
        let changed = self.changed.as_mut().map(std::mem::take);
        for name in changed.unwrap_or_default() {
            match self.by_name.get_mut(&name) {
                Some(group) => group.take_dirt(&name, parts),
                None => parts.push(StreamPart::Group(name)),
            }
        }
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(super) fn track(&mut self, is_on: bool) {
        self.changed = is_on.then(BTreeSet::new);
        self.by_name.values_mut().for_each(|group| group.track(is_on));
    }

    #[cfg(test)]
    pub(super) fn is_tracked(&self) -> bool {
        self.changed.is_some()
    }

    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.by_name
            .iter()
            .map(|(name, group)| held_by_name(name) + group.memory())
            .sum()
    }
}

/// A group without its contents.
fn held_by_name(name: &[u8]) -> usize {
    name.len() + size_of::<(Box<[u8]>, Group)>() * 3 / 2
}

impl Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl DerefMut for GroupMut<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.total = (*self.total + self.group.memory()).saturating_sub(self.before);
        if let Some(changed) = self.changed.as_mut().filter(|_| self.group.is_dirty())
            && !changed.contains(self.name)
        {
            changed.insert(self.name.into());
        }
    }
}
