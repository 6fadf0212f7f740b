//! etcd's raft snapshots: `member/snap/<term>-<index>.snap`.
//!
//! Only which one is the newest whole one is read, in constant memory; what it says of the members is not.
//! Source: `server/etcdserver/api/snap/snapshotter.go`, `snappb/snap.proto`.

use super::{Position, crc32c};
use camino::Utf8Path;
use std::io::{self, Read};

/// The newest snapshot whose sum is right.
pub(super) fn newest(dir: &Utf8Path) -> io::Result<Option<Position>> {
    let names = match super::names(dir) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((position(name)?, dir.join(name)))).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    for (position, path) in found {
        if is_whole(&path)? {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

fn position(name: &str) -> Option<Position> {
    let (term, index) = name.strip_suffix(".snap")?.split_once('-')?;
    let number = |text: &str| if text.len() == 16 { u64::from_str_radix(text, 16).ok() } else { None };
    Some(Position { term: number(term)?, index: number(index)? })
}

/// A snapshot is a protobuf message of a sum and the bytes it is of, in this order.
fn is_whole(path: &Utf8Path) -> io::Result<bool> {
    let mut file = io::BufReader::new(std::fs::File::open(path)?);
    let crc = match (byte(&mut file)?, varint(&mut file)?) {
        (Some(0x08), Some(crc)) if crc != 0 => crc,
        _ => return Ok(false),
    };
    let length = match (byte(&mut file)?, varint(&mut file)?) {
        (Some(0x12), Some(length)) if length != 0 => length,
        _ => return Ok(false),
    };
    let mut buffer = vec![0; 1 << 16];
    let (mut sum, mut read) = (0, 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(read == length && u64::from(sum) == crc);
        }
        sum = crc32c::extend(sum, buffer.get(..count).unwrap_or_default());
        read += count as u64;
    }
}

fn byte(reader: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((reader.read(&mut byte)? == 1).then_some(byte[0]))
}

fn varint(reader: &mut impl Read) -> io::Result<Option<u64>> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some(byte) = byte(reader)? else { return Ok(None) };
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(data: &[u8]) -> Vec<u8> {
        #[derive(prost::Message)]
        struct Snapshot {
            #[prost(uint32, tag = "1")]
            crc: u32,
            #[prost(bytes, tag = "2")]
            data: Vec<u8>,
        }
        prost::Message::encode_to_vec(&Snapshot { crc: crc32c::extend(0, data), data: data.to_vec() })
    }

    #[test]
    fn a_broken_snapshot_yields_to_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(newest(&path.join("absent")).unwrap(), None);
        let name = |term, index| path.join(format!("{term:016x}-{index:016x}.snap"));
        std::fs::write(name(2, 10), file(&vec![7; 100_000])).unwrap();
        std::fs::write(name(2, 20), &file(b"later")[..8]).unwrap();
        std::fs::write(name(3, 5), [file(b"trailing"), vec![0]].concat()).unwrap();
        std::fs::write(name(4, 1), b"").unwrap();
        std::fs::write(path.join("000000000000000a.snap.db"), b"").unwrap();
        assert_eq!(newest(path).unwrap(), Some(Position { term: 2, index: 10 }));
        std::fs::write(name(2, 20), file(b"later")).unwrap();
        assert_eq!(newest(path).unwrap(), Some(Position { term: 2, index: 20 }));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(dir.path()).unwrap().join("0000000000000001-0000000000000001.snap");
            std::fs::write(&path, bytes).unwrap();
            is_whole(&path).unwrap();
        }
    }
}
