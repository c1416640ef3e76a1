//! All consumer groups of a stream, in the order of their names.
//!
//! A group is changed through [`GroupMut`], which keeps the stream's memory count right when it is let go.
//! Next: `group.rs`.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::dirt::StreamPart;
use super::group::Group;
use super::id::StreamId;

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    by_name: BTreeMap<Box<[u8]>, Group>,
    memory: usize,
    track: bool,
    /// Names of groups destroyed since dirt was last taken.
    destroyed: Vec<Box<[u8]>>,
}

/// A group being changed.
#[derive(Debug)]
pub(crate) struct GroupMut<'a> {
    group: &'a mut Group,
    total: &'a mut usize,
    before: usize,
}

impl Groups {
    pub(super) fn new(track: bool) -> Self {
        Self {
            by_name: BTreeMap::new(),
            memory: 0,
            track,
            destroyed: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Group> {
        self.by_name.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.by_name.iter().map(|(name, group)| (&**name, group))
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let group = self.by_name.get_mut(name)?;
        let before = group.memory();
        Some(GroupMut {
            group,
            total: &mut self.memory,
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
        self.by_name
            .insert(name.into(), Group::new(last_delivered, entries_read, self.track));
        self.memory += held_by_name(name);
        true
    }

    pub(super) fn destroy(&mut self, name: &[u8]) -> bool {
        let Some((name, group)) = self.by_name.remove_entry(name) else {
            return false;
        };
        self.memory -= held_by_name(&name) + group.memory();
        if self.track {
            self.destroyed.push(name);
        }
        true
    }

    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn take_dirt(&mut self, parts: &mut Vec<StreamPart>) {
        let mut destroyed = std::mem::take(&mut self.destroyed);
        // A group created anew under the name speaks for itself.
        destroyed.retain(|name| !self.by_name.contains_key(name));
        destroyed.sort_unstable();
        destroyed.dedup();
        parts.extend(destroyed.into_iter().map(StreamPart::Group));
        for (name, group) in &mut self.by_name {
            group.take_dirt(name, parts);
        }
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
    }
}
