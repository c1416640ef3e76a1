//! Turns `lua/<noun>/<operation>.lua` into one constant a script.
//!
//! Resolves `-- @include name` lines (each include once, depth first), drops comment lines so that servers store
//! and hash less text, and writes the SHA-1 beside the source, so that `EVALSHA` needs no hashing at run time.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let lua = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("lua");
    println!("cargo:rerun-if-changed=lua");

    let mut generated = String::new();
    for noun in sorted(&lua)? {
        let noun_name = file_name(&noun)?;
        if noun_name == "include" || !noun.is_dir() {
            continue;
        }
        for path in sorted(&noun)? {
            let operation = file_name(&path)?.trim_end_matches(".lua").to_owned();
            let mut seen = BTreeSet::new();
            let source = resolve(&lua, &path, &mut seen)?;
            let sha = sha1_smol::Sha1::from(&source).hexdigest();
            let constant = format!("{noun_name}_{operation}").to_uppercase();
            writeln!(generated, "/// `lua/{noun_name}/{operation}.lua`.")?;
            writeln!(
                generated,
                "pub(crate) static {constant}: Script = Script::new({:?}, {source:?}, {sha:?});",
                format!("{noun_name}/{operation}")
            )?;
        }
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("scripts.rs"), generated)?;
    Ok(())
}

/// The text of one script with its includes in place.
fn resolve(lua: &Path, path: &Path, seen: &mut BTreeSet<String>) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut source = String::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("-- @include ") {
            if seen.insert(name.to_owned()) {
                source.push_str(&resolve(
                    lua,
                    &lua.join("include").join(format!("{name}.lua")),
                    seen,
                )?);
            }
        } else if !line.trim().is_empty() && !line.trim_start().starts_with("--") {
            source.push_str(line);
            source.push('\n');
        }
    }
    Ok(source)
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> Result<String, Box<dyn Error>> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name
        .ok_or_else(|| format!("not a UTF-8 path: {}", path.display()))?
        .to_owned())
}
