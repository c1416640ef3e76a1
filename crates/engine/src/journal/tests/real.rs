//! The same on a real disk.

use std::sync::Arc;

use super::super::directory::Directory;
use super::super::storage::Storage;
use super::super::storage::disk::Disk;
use super::scene::draft;

#[test]
fn a_real_directory_is_found_again() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("store");
    let open = || -> Arc<dyn Storage> { Arc::new(Disk::open(&path).unwrap()) };
    let (mut directory, recovered) = Directory::open(open()).unwrap().finish().unwrap();
    assert!(recovered.is_new);
    directory.log().append(1, &mut draft(b"one")).unwrap();
    let mut image = directory.begin_image().unwrap();
    image.write(&mut draft(b"slice")).unwrap();
    directory.log().append(2, &mut draft(b"two")).unwrap();
    directory
        .adopt(image.finish(2).unwrap())
        .unwrap()
        .remove()
        .unwrap();
    directory.log().append(3, &mut draft(&[b'3'; 3_000])).unwrap();
    let files = directory.state_files();
    drop(directory);

    // As if the process had ended in the middle of its last write.
    let disk = open();
    let newest = &files.last().unwrap().name;
    let length = disk.read(newest).unwrap().length();
    disk.truncate(newest, length - 1).unwrap();
    let mut opening = Directory::open(disk).unwrap();
    let mut read = Vec::new();
    while let Some(record) = opening.next().unwrap() {
        read.push((record.last, record.payload.to_vec()));
    }
    assert_eq!(read, [(None, b"slice".to_vec()), (Some(2), b"two".to_vec())]);
    let (directory, recovered) = opening.finish().unwrap();
    assert_eq!((recovered.last, recovered.groups), (2, 1));
    assert_eq!(recovered.cut.unwrap().bytes, 3_031);
    directory.close().unwrap();

    let (_, recovered) = Directory::open(open()).unwrap().finish().unwrap();
    assert_eq!((recovered.last, recovered.cut), (2, None));
    let names = open().names().unwrap();
    assert_eq!(names.len(), 3, "{names:?}");
}
