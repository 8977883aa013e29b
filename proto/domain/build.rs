//! Names the sources of this crate by a hash of them. What was kept of a state that other sources folded, or would
//! read otherwise, is then known by its name, and nobody has to remember to change a number.

use std::collections::BTreeMap;
use std::fs::{read, read_dir};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=src");
    let mut sources = BTreeMap::new();
    gather(Path::new("src"), &mut sources)?;
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    println!("cargo:rustc-env=OPENSHELL_DOMAIN_FORM={}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish());
    Ok(())
}

fn gather(folder: &Path, sources: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    for entry in read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, sources)?;
        } else {
            sources.insert(path.clone(), read(&path)?);
        }
    }
    Ok(())
}
