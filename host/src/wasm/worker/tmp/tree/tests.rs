//! What paths lead to, what may be done to names, and what bounds them.

use super::*;

const MIB: u64 = 1 << 20;

fn opening() -> FileOpening {
    FileOpening { follow: true, ..FileOpening::default() }
}

fn creating() -> FileOpening {
    FileOpening { create: true, write: true, ..opening() }
}

/// `d/`, `d/e/`, `d/f`, and links: `d/up` to `../d/f`, `d/dir` to `e`, `d/out` to `../../x`, `loop` to itself, `new` to `d/made`.
fn tree() -> Tree {
    let mut tree = Tree::new(MIB);
    for folder in ["d", "d/e"] {
        tree.make_folder(ROOT, folder).unwrap();
    }
    tree.open(ROOT, "d/f", creating()).unwrap();
    for (link, target) in [("d/up", "../d/f"), ("d/dir", "e"), ("d/out", "../../x"), ("loop", "loop"), ("new", "d/made")] {
        tree.symlink(target, ROOT, link).unwrap();
    }
    tree
}

fn names(tree: &Tree, folder: NodeId) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    while let Some((name, _)) = tree.entry_after(folder, names.last().map(String::as_str)).unwrap() {
        names.push(name.to_string());
    }
    names
}

#[test]
fn a_path_leads_where_it_says_and_never_out() {
    let tree = tree();
    let [d, e, f] = ["d", "d/e", "d/f"].map(|path| tree.at(ROOT, path, true).unwrap());
    for (path, expected) in [
        (".", Ok(ROOT)),
        ("d/", Ok(d)),
        ("./d//e/.", Ok(e)),
        ("d/e/..", Ok(d)),
        ("d/e/../f", Ok(f)),
        ("d/up", Ok(f)),
        ("d/dir/../f", Ok(f)),
        ("", Err(ErrorCode::NoEntry)),
        ("none", Err(ErrorCode::NoEntry)),
        ("none/x", Err(ErrorCode::NoEntry)),
        ("d/f/", Err(ErrorCode::NotDirectory)),
        ("d/f/x", Err(ErrorCode::NotDirectory)),
        ("loop", Err(ErrorCode::Loop)),
        ("new", Err(ErrorCode::NoEntry)),
        ("..", Err(ErrorCode::NotPermitted)),
        ("d/../..", Err(ErrorCode::NotPermitted)),
        ("../tmp/d", Err(ErrorCode::NotPermitted)),
        ("/etc/passwd", Err(ErrorCode::NotPermitted)),
        ("d/out", Err(ErrorCode::NotPermitted)),
        ("d\0", Err(ErrorCode::Invalid)),
    ] {
        assert_eq!(tree.at(ROOT, path, true), expected, "{path:?}");
    }
    // A folder that is open is the end of the world, too.
    assert_eq!(tree.at(d, "..", true), Err(ErrorCode::NotPermitted));
    assert_eq!(tree.at(d, "up", true), Err(ErrorCode::NotPermitted), "the link leads over it");
    assert_eq!(tree.read_link(d, "up").unwrap(), "../d/f");
    assert_eq!(tree.at(ROOT, &"d/../".repeat(800), true), Ok(ROOT));
    assert_eq!(tree.at(ROOT, &"d/../".repeat(900), true), Err(ErrorCode::NameTooLong));
}

#[test]
fn a_file_is_opened_as_it_is_asked_for() {
    let mut tree = tree();
    let f = tree.at(ROOT, "d/f", true).unwrap();
    let exclusive = FileOpening { exclusive: true, ..creating() };
    let folder = FileOpening { folder: true, ..opening() };
    let writing = FileOpening { write: true, ..opening() };
    let nofollow = FileOpening { follow: false, ..opening() };
    for (path, how, expected) in [
        ("d/f", opening(), Ok(f)),
        ("d/f", creating(), Ok(f)),
        ("d/up", creating(), Ok(f)),
        ("d/f", exclusive, Err(ErrorCode::Exist)),
        ("new", exclusive, Err(ErrorCode::Exist)),
        ("d/up", nofollow, Err(ErrorCode::Loop)),
        ("d/f", folder, Err(ErrorCode::NotDirectory)),
        ("d", writing, Err(ErrorCode::IsDirectory)),
        ("d", creating(), Err(ErrorCode::IsDirectory)),
        ("none", opening(), Err(ErrorCode::NoEntry)),
        ("none/", creating(), Err(ErrorCode::IsDirectory)),
        ("none/x", creating(), Err(ErrorCode::NoEntry)),
    ] {
        assert_eq!(tree.open(ROOT, path, how), expected, "{path:?} {how:?}");
    }
    let made = tree.open(ROOT, "new", creating()).unwrap();
    assert_eq!(tree.at(ROOT, "d/made", true), Ok(made), "where the link leads");
}

#[test]
fn names_are_moved_and_removed_as_on_linux() {
    let mut tree = tree();
    let err = Err::<(), _>;
    assert_eq!(tree.remove_folder(ROOT, "d"), err(ErrorCode::NotEmpty));
    assert_eq!(tree.remove_folder(ROOT, "d/f"), err(ErrorCode::NotDirectory));
    assert_eq!(tree.remove_folder(ROOT, "."), err(ErrorCode::Busy));
    assert_eq!(tree.unlink(ROOT, "d"), err(ErrorCode::IsDirectory));
    assert_eq!(tree.make_folder(ROOT, "d/f"), err(ErrorCode::Exist));
    assert_eq!(tree.rename(ROOT, "d", ROOT, "d/e/x"), err(ErrorCode::Invalid), "into itself");
    assert_eq!(tree.rename(ROOT, "d/f", ROOT, "d/e"), err(ErrorCode::IsDirectory));
    assert_eq!(tree.rename(ROOT, "d/e", ROOT, "d/f"), err(ErrorCode::NotDirectory));
    assert_eq!(tree.rename(ROOT, "d/f", ROOT, "g/"), err(ErrorCode::NotDirectory));
    assert_eq!(tree.symlink("/etc", ROOT, "etc"), err(ErrorCode::NotPermitted));
    assert_eq!(tree.link(ROOT, "d", ROOT, "d2"), err(ErrorCode::NotPermitted));
    // A folder takes its content along, and knows where it is.
    tree.rename(ROOT, "d/e", ROOT, "e").unwrap();
    tree.rename(ROOT, "d", ROOT, "e/d").unwrap();
    assert_eq!(tree.rename(ROOT, "e", ROOT, "e/d/x"), err(ErrorCode::Invalid));
    assert_eq!(names(&tree, ROOT), ["e", "loop", "new"]);
    // A file replaces a file; one with two names keeps the other.
    let f = tree.at(ROOT, "e/d/f", false).unwrap();
    tree.link(ROOT, "e/d/f", ROOT, "hard").unwrap();
    tree.open(ROOT, "g", creating()).unwrap();
    tree.rename(ROOT, "g", ROOT, "e/d/f").unwrap();
    assert_eq!((tree.at(ROOT, "hard", false), tree.node(f).links), (Ok(f), 1));
    tree.rename(ROOT, "hard", ROOT, "hard").unwrap();
    tree.unlink(ROOT, "hard").unwrap();
    assert_eq!(tree.at(ROOT, "hard", false), Err(ErrorCode::NoEntry));
}

#[test]
fn what_is_open_outlives_its_name() {
    let mut tree = Tree::new(MIB);
    let file = tree.open(ROOT, "f", creating()).unwrap();
    tree.retain(file);
    tree.resize(file, MIB).unwrap();
    tree.unlink(ROOT, "f").unwrap();
    let other = tree.open(ROOT, "f", creating()).unwrap();
    assert_eq!(tree.resize(other, 1), Err(ErrorCode::InsufficientSpace), "it still takes its space");
    tree.release(file);
    tree.resize(other, MIB).unwrap();
    tree.make_folder(ROOT, "d").unwrap();
    let folder = tree.at(ROOT, "d", false).unwrap();
    tree.retain(folder);
    tree.remove_folder(ROOT, "d").unwrap();
    assert_eq!(tree.open(folder, "x", creating()), Err(ErrorCode::NoEntry));
    assert_eq!(tree.make_folder(folder, "x"), Err(ErrorCode::NoEntry));
    assert_eq!(tree.rename(ROOT, "f", folder, "f"), Err(ErrorCode::NoEntry));
    tree.release(folder);
    assert_eq!(tree.nodes(), 2, "the root and f");
}

#[test]
fn a_size_is_bounded_whatever_is_in_it() {
    let block = BLOCK_BYTES as u64;
    let mut tree = Tree::new(4 * block + 1);
    let [a, b] = ["a", "b"].map(|name| tree.open(ROOT, name, creating()).unwrap());
    assert_eq!(tree.resize(a, 1 << 63), Err(ErrorCode::InsufficientSpace));
    assert_eq!(tree.resize(a, u64::MAX), Err(ErrorCode::InsufficientSpace));
    tree.resize(a, 3 * block).unwrap();
    tree.resize(b, 1).unwrap();
    assert_eq!(tree.resize(b, block + 1), Err(ErrorCode::InsufficientSpace));
    tree.resize(b, block).unwrap();
    tree.resize(a, 2 * block + 1).unwrap();
    assert_eq!(tree.resize(b, block + 1), Err(ErrorCode::InsufficientSpace), "a block is taken as a whole");
    tree.resize(a, 2 * block).unwrap();
    tree.resize(b, block + 1).unwrap();
    tree.unlink(ROOT, "a").unwrap();
    tree.resize(b, 4 * block).unwrap();
    assert_eq!(tree.resize(b, 4 * block + 1), Err(ErrorCode::InsufficientSpace));
}

#[test]
fn names_are_bounded_in_number_and_length() {
    let mut tree = Tree::new(MIB);
    let name = |n: usize| format!("{n}");
    for n in 0..NAMES - 1 {
        tree.open(ROOT, &name(n), creating()).unwrap();
    }
    tree.link(ROOT, "0", ROOT, "second").unwrap();
    let full = Err(ErrorCode::InsufficientSpace);
    assert_eq!(tree.open(ROOT, "more", creating()), full);
    assert_eq!(tree.make_folder(ROOT, "more"), full.map(drop));
    assert_eq!(tree.symlink("x", ROOT, "more"), full.map(drop));
    assert_eq!(tree.link(ROOT, "0", ROOT, "third"), full.map(drop));
    tree.rename(ROOT, "1", ROOT, "moved").unwrap();
    tree.unlink(ROOT, "second").unwrap();
    tree.make_folder(ROOT, "more").unwrap();

    let mut tree = Tree::new(MIB);
    assert_eq!(tree.make_folder(ROOT, &"n".repeat(NAME_BYTES + 1)), Err(ErrorCode::NameTooLong));
    assert_eq!(tree.symlink(&"t".repeat(LINK_BYTES + 1), ROOT, "l"), Err(ErrorCode::NameTooLong));
    let target = "t".repeat(LINK_BYTES);
    let links = NAMES_BYTES / (LINK_BYTES + 4);
    for n in 0..links {
        tree.symlink(&target, ROOT, &format!("{n:04}")).unwrap();
    }
    assert_eq!(tree.symlink(&target, ROOT, "more"), full.map(drop));
    tree.unlink(ROOT, "0000").unwrap();
    tree.symlink(&target, ROOT, "more").unwrap();
    assert_eq!(
        tree.rename(ROOT, "more", ROOT, &"n".repeat(NAME_BYTES)).is_ok(),
        NAMES_BYTES % (LINK_BYTES + 4) >= NAME_BYTES - 4
    );
}

#[test]
fn deep_folders_are_made_and_dropped_without_recursion() {
    let mut tree = Tree::new(MIB);
    let mut folder = ROOT;
    for _ in 0..NAMES {
        tree.make_folder(folder, "d").unwrap();
        folder = tree.at(folder, "d", false).unwrap();
    }
    assert_eq!(tree.rename(ROOT, "d", folder, "x"), Err(ErrorCode::Invalid));
    drop(tree);
}

#[test]
fn chains_of_links_end() {
    let mut tree = Tree::new(MIB);
    tree.open(ROOT, "0", creating()).unwrap();
    for n in 1..=LINKS + 1 {
        tree.symlink(&format!("{}", n - 1), ROOT, &format!("{n}")).unwrap();
    }
    assert!(tree.at(ROOT, &format!("{LINKS}"), true).is_ok());
    assert_eq!(tree.at(ROOT, &format!("{}", LINKS + 1), true), Err(ErrorCode::Loop));
}
