//! What is watched, and what of it is in force.
//!
//! Servers add the prefixes of a second CLIENT TRACKING to those of the first, and refuse one that begins with another one
//! or is its beginning, also if it is the same one again. So only the shortest are asked for, each once a connection.

use redis::Cmd;

/// The prefixes of one channel.
#[derive(Debug, Default)]
pub(in crate::store) struct Prefixes {
    /// None begins with another one.
    wanted: Vec<Vec<u8>>,
    in_force: Vec<Vec<u8>>,
}

/// What it takes to bring all of them in force.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Lacking {
    Nothing,
    These(Vec<Vec<u8>>),
    /// A new connection: one that is in force stands in the way, and none can be taken back alone.
    Anew,
}

impl Prefixes {
    /// From now on these too.
    pub(in crate::store) fn want(&mut self, more: &[&[u8]]) {
        for prefix in more {
            if self.wanted.iter().any(|wanted| prefix.starts_with(wanted)) {
                continue;
            }
            self.wanted.retain(|wanted| !wanted.starts_with(prefix));
            self.wanted.push(prefix.to_vec());
        }
    }

    pub(in crate::store) fn wanted(&self) -> Vec<Vec<u8>> {
        self.wanted.clone()
    }

    /// A new connection has these.
    pub(in crate::store) fn begin(&mut self, in_force: Vec<Vec<u8>>) {
        self.in_force = in_force;
    }

    pub(in crate::store) fn lacking(&self) -> Lacking {
        let new = self
            .wanted
            .iter()
            .filter(|wanted| !self.in_force.contains(wanted));
        let new: Vec<Vec<u8>> = new.cloned().collect();
        if new.is_empty() {
            return Lacking::Nothing;
        }
        let is_in_the_way = |prefix: &Vec<u8>| self.in_force.iter().any(|old| old.starts_with(prefix));
        if new.iter().any(is_in_the_way) {
            return Lacking::Anew;
        }
        Lacking::These(new)
    }

    /// The connection was told these.
    pub(in crate::store) fn told(&mut self, new: Vec<Vec<u8>>) {
        self.in_force.extend(new);
    }
}

/// The command that begins, or goes on, to track what others change.
pub(in crate::store) fn tracking(prefixes: &[Vec<u8>]) -> Cmd {
    let mut command = redis::cmd("CLIENT");
    command.arg("TRACKING").arg("ON").arg("BCAST").arg("NOLOOP");
    for prefix in prefixes {
        command.arg("PREFIX").arg(prefix.as_slice());
    }
    command
}

#[cfg(test)]
mod tests {
    use super::{Lacking, Prefixes};

    fn owned(prefixes: &[&[u8]]) -> Vec<Vec<u8>> {
        prefixes.iter().map(|prefix| prefix.to_vec()).collect()
    }

    #[test]
    fn each_prefix_is_asked_for_once() {
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.lacking(), Lacking::Nothing);
        prefixes.want(&[b"a:", b"b:"]);
        assert_eq!(prefixes.lacking(), Lacking::These(owned(&[b"a:", b"b:"])));
        prefixes.told(owned(&[b"a:", b"b:"]));
        prefixes.want(&[b"a:", b"c:", b"b:longer"]);
        assert_eq!(prefixes.lacking(), Lacking::These(owned(&[b"c:"])));
        prefixes.begin(prefixes.wanted());
        assert_eq!(prefixes.lacking(), Lacking::Nothing);
    }

    #[test]
    fn a_prefix_that_covers_another_one_takes_its_place_on_a_new_connection() {
        let mut prefixes = Prefixes::default();
        prefixes.want(&[b"a:long", b"b:"]);
        prefixes.told(prefixes.wanted());
        prefixes.want(&[b"a:"]);
        assert_eq!(prefixes.lacking(), Lacking::Anew);
        assert_eq!(prefixes.wanted(), owned(&[b"b:", b"a:"]));
    }
}
