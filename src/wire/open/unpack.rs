//! Takes the packing off: gzip, zstd and zip, told by their first bytes, nested a few times, bounded in what they grow to.

use super::super::fault::{OpenError, Place};
use std::borrow::Cow;
use std::io::{Cursor, ErrorKind, Read};

/// How far a packed file is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes that everything in the file may have together, unpacked.
    pub unpacked: u64,
    /// Packings around one another, such as a gzip in a zip.
    pub nesting: u32,
    /// Members of one archive.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unpacked: 2 << 30, nesting: 4, members: 10_000 }
    }
}

/// One plain file out of the input.
pub(crate) struct Member<'a> {
    /// Its name inside the archives, empty for an input that is no archive.
    pub name: String,
    /// Its bytes.
    pub bytes: Cow<'a, [u8]>,
}

/// zstd windows above this need as much memory; 2^27 is what the command line tool takes unasked.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Unpacks `bytes` into its plain files.
pub(crate) fn unpack<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Vec<Member<'a>>, OpenError> {
    let mut members = Vec::new();
    let mut budget = limits.unpacked;
    open(Member { name: String::new(), bytes: Cow::Borrowed(bytes) }, 0, limits, &mut budget, &mut members)?;
    Ok(members)
}

fn open<'a>(
    member: Member<'a>,
    depth: u32,
    limits: &Limits,
    budget: &mut u64,
    members: &mut Vec<Member<'a>>,
) -> Result<(), OpenError> {
    let packing = match member.bytes.as_ref() {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        // A skippable frame may stand first.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => "zstd",
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => "zip",
        _ => {
            members.push(member);
            return Ok(());
        }
    };
    if depth >= limits.nesting {
        return Err(OpenError::TooDeep { limit: limits.nesting, place: Place::default().on(member.name) });
    }
    let inflate = |budget: &mut u64| match packing {
        "gzip" => read_all(flate2::read::MultiGzDecoder::new(Cursor::new(&member.bytes)), packing, limits, budget),
        _ => {
            let fault = |error: std::io::Error| damaged(packing, &error, 0);
            let mut decoder = zstd::stream::read::Decoder::new(Cursor::new(&member.bytes)).map_err(fault)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(fault)?;
            read_all(decoder, packing, limits, budget)
        }
    };
    if packing != "zip" {
        let unpacked = inflate(budget).map_err(|error| named(error, &member.name))?;
        let inner = Member { name: member.name, bytes: Cow::Owned(unpacked) };
        return open(inner, depth + 1, limits, budget, members);
    }
    for inner in zip_members(&member, limits, budget)? {
        open(inner, depth + 1, limits, budget, members)?;
    }
    Ok(())
}

fn named(error: OpenError, member: &str) -> OpenError {
    if member.is_empty() { error } else { error.inside(member) }
}

fn damaged(packing: &'static str, error: &dyn std::fmt::Display, byte: usize) -> OpenError {
    OpenError::Packing { packing, reason: error.to_string(), place: Place::at_byte(byte) }
}

/// Reads to the end or to the limit, in steps, so that nothing is set aside on the word of a header.
fn read_all(mut from: impl Read, packing: &'static str, limits: &Limits, budget: &mut u64) -> Result<Vec<u8>, OpenError> {
    let mut bytes = Vec::new();
    let read = from.by_ref().take(*budget).read_to_end(&mut bytes);
    let byte = bytes.len();
    if let Err(error) = read {
        let reason: &dyn std::fmt::Display =
            if error.kind() == ErrorKind::UnexpectedEof { &"it breaks off in the middle" } else { &error };
        return Err(match damaged(packing, reason, byte) {
            OpenError::Packing { packing, reason, place } => {
                OpenError::Packing { packing, reason, place: place.on("unpacked") }
            }
            other => other,
        });
    }
    *budget -= byte as u64;
    if *budget == 0 && from.read(&mut [0]).is_ok_and(|more| more > 0) {
        return Err(OpenError::TooLarge { limit: limits.unpacked, place: Place::at_byte(byte) });
    }
    Ok(bytes)
}

fn zip_members(archive: &Member<'_>, limits: &Limits, budget: &mut u64) -> Result<Vec<Member<'static>>, OpenError> {
    let fault = |error: &dyn std::fmt::Display| named(damaged("zip", error, 0), &archive.name);
    let mut zip = zip::ZipArchive::new(Cursor::new(&archive.bytes)).map_err(|error| fault(&error))?;
    let count = zip.len();
    if count > limits.members {
        return Err(fault(&format!("it has {count} members, more than {}", limits.members)));
    }
    let mut members = Vec::new();
    for index in 0..count {
        let mut file = zip.by_index(index).map_err(|error| fault(&error))?;
        let name = file.name().map_err(|error| fault(&error))?.into_owned();
        // What the packers of desktops add beside every file.
        if file.is_dir() || name.starts_with("__MACOSX/") || name.ends_with(".DS_Store") {
            continue;
        }
        let bytes = read_all(&mut file, "zip", limits, budget).map_err(|error| named(error.inside(&name), &archive.name))?;
        let name = if archive.name.is_empty() { name } else { format!("{}/{name}", archive.name) };
        members.push(Member { name, bytes: Cow::Owned(bytes) });
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut packed = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            packed.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            packed.write_all(bytes).unwrap();
        }
        packed.finish().unwrap().into_inner()
    }

    fn plain(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let members = unpack(bytes, &Limits::default()).unwrap();
        members.into_iter().map(|member| (member.name, member.bytes.into_owned())).collect()
    }

    #[test]
    fn every_packing_comes_off_also_nested() {
        let one = |name: &str| vec![(name.to_owned(), b"[1]".to_vec())];
        assert_eq!(plain(b"[1]"), one(""));
        assert_eq!(plain(&gzip(b"[1]")), one(""));
        assert_eq!(plain(&zstd::encode_all(&b"[1]"[..], 1).unwrap()), one(""));
        let zipped = zip_of(&[("a.json.gz", &gzip(b"[1]")), ("__MACOSX/a", b"x")]);
        assert_eq!(plain(&zipped), one("a.json.gz"));
        assert_eq!(plain(&zip_of(&[("outer.zip", &zipped)])), one("outer.zip/a.json.gz"));
        let twice = [gzip(b"[1"), gzip(b"]")].concat();
        assert_eq!(plain(&twice), one(""), "members of a gzip follow one another");
    }

    #[test]
    fn bombs_are_refused_by_size_depth_and_count() {
        let limits = Limits { unpacked: 1000, nesting: 2, members: 3 };
        let refuse = |bytes: &[u8]| unpack(bytes, &limits).map(|_| ()).unwrap_err();
        assert!(matches!(refuse(&gzip(&[b' '; 1001])), OpenError::TooLarge { limit: 1000, .. }));
        assert!(unpack(&gzip(&[b' '; 1000]), &limits).is_ok());
        let both = zip_of(&[("a", &[b' '; 600]), ("b", &[b' '; 600])]);
        assert!(matches!(refuse(&both), OpenError::TooLarge { .. }), "the limit is for all members together");
        assert!(matches!(refuse(&gzip(&gzip(&gzip(b"x")))), OpenError::TooDeep { limit: 2, .. }));
        assert!(matches!(refuse(&zip_of(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")])), OpenError::Packing { .. }));
    }

    #[test]
    fn damage_is_named_with_its_packing() {
        let packed = gzip(&[7; 5000]);
        let error = unpack(&packed[..packed.len() / 2], &Limits::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Packing { packing: "gzip", .. }), "{error}");
        let packed = zstd::encode_all(&[7; 5000][..], 1).unwrap();
        let error = unpack(&packed[..packed.len() / 2], &Limits::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Packing { packing: "zstd", .. }), "{error}");
        let packed = zip_of(&[("a", &[7; 5000])]);
        assert!(unpack(&packed[..packed.len() / 2], &Limits::default()).is_err());
    }
}
