//! How one record lies in a file of the spool, and how the intact ones are found again among damage. Pure.
//!
//! ```text
//! mark 8 | length 4 | number 8 | unix ms 8 | CRC-32 4 | body …        all little endian
//! ```
//!
//! The mark is random and stands in the file's name: after a damaged frame the next one is found by it, and nobody who can put bytes
//! into a body (a user's text) can make them look like a frame.

use std::ops::Range;

/// Bytes before the body.
pub(super) const HEAD: usize = 32;

/// One intact record and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Where its mark begins.
    pub(super) offset: usize,
    /// Its place in the order of the whole spool.
    pub(super) number: u64,
    /// When it was appended, Unix milliseconds.
    pub(super) at_ms: i64,
    /// Over length, number, time and body.
    pub(super) crc: u32,
    pub(super) body: &'a [u8],
}

/// A file is a row of these.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Intact(Frame<'a>),
    /// Bytes up to the next frame that can be read, or to the end.
    Damaged(Range<usize>),
}

/// Appends a frame to `out` and gives its checksum.
pub(super) fn write(out: &mut Vec<u8>, mark: u64, number: u64, at_ms: i64, body: &[u8]) -> u32 {
    let length = u32::try_from(body.len()).expect("a body has at most a few hundred KiB");
    let crc = checksum(length, number, at_ms, body);
    out.extend_from_slice(&mark.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&at_ms.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(body);
    crc
}

fn checksum(length: u32, number: u64, at_ms: i64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(&at_ms.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The frame at `offset`, if an intact one is there.
pub(super) fn read(bytes: &[u8], mark: u64, offset: usize) -> Option<Frame<'_>> {
    let (head, rest) = bytes.get(offset..)?.split_at_checked(HEAD)?;
    if u64_at(head, 0)? != mark {
        return None;
    }
    let length = u32_at(head, 8)?;
    let body = rest.get(..usize::try_from(length).ok()?)?;
    let number = u64_at(head, 12)?;
    let at_ms = i64::from_le_bytes(head.get(20..28)?.try_into().ok()?);
    let crc = u32_at(head, 28)?;
    (crc == checksum(length, number, at_ms, body)).then_some(Frame { offset, number, at_ms, crc, body })
}

fn u32_at(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?))
}

/// Everything in a file, in order.
pub(super) fn scan(bytes: &[u8], mark: u64) -> Vec<Piece<'_>> {
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let Some(frame) = read(bytes, mark, at) else {
            let next = next_intact(bytes, mark, at + 1);
            pieces.push(Piece::Damaged(at..next));
            at = next;
            continue;
        };
        at += HEAD + frame.body.len();
        pieces.push(Piece::Intact(frame));
    }
    pieces
}

fn next_intact(bytes: &[u8], mark: u64, from: usize) -> usize {
    marks(bytes, mark, from).find(|at| read(bytes, mark, *at).is_some()).unwrap_or(bytes.len())
}

/// Where the mark occurs.
pub(super) fn marks(bytes: &[u8], mark: u64, from: usize) -> impl Iterator<Item = usize> {
    let mark = mark.to_le_bytes();
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(mark.len())
        .enumerate()
        .filter(move |(_, window)| *window == mark)
        .map(move |(at, _)| from + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: u64 = 0xfeed_c0de_dead_beef;

    fn file(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for (body, number) in bodies.iter().zip(1..) {
            write(&mut file, MARK, number, 7, body);
        }
        file
    }

    fn intact(bytes: &[u8]) -> Vec<u64> {
        let number = |piece: &Piece<'_>| match piece {
            Piece::Intact(frame) => Some(frame.number),
            Piece::Damaged(_) => None,
        };
        scan(bytes, MARK).iter().filter_map(number).collect()
    }

    proptest! {
        /// One flipped bit costs the frame that it is in and no other.
        #[test]
        fn a_flipped_bit_costs_one_frame(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..12),
            bit in any::<prop::sample::Index>(),
        ) {
            let mut bytes = file(&bodies);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (mut end, mut hit) = (0, 0);
            for (body, number) in bodies.iter().zip(1..) {
                end += HEAD + body.len();
                if bit / 8 < end {
                    hit = number;
                    break;
                }
            }
            let rest: Vec<u64> = (1..).take(bodies.len()).filter(|number| *number != hit).collect();
            prop_assert_eq!(intact(&bytes), rest);
        }

        /// The pieces are the whole file, whatever is in it.
        #[test]
        fn nothing_is_left_out(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let covered: usize = scan(&bytes, MARK).iter().map(|piece| match piece {
                Piece::Intact(frame) => HEAD + frame.body.len(),
                Piece::Damaged(range) => range.len(),
            }).sum();
            prop_assert_eq!(covered, bytes.len());
        }
    }

    #[test]
    fn a_frame_inside_a_body_is_no_frame_without_the_mark() {
        let mut inner = Vec::new();
        write(&mut inner, MARK ^ 1, 9, 7, b"forged");
        let mut bytes = file(&[inner, b"next".to_vec()]);
        bytes[HEAD - 1] ^= 1;
        assert_eq!(intact(&bytes), [2]);
    }

    #[test]
    fn a_torn_tail_is_damage_at_the_end() {
        let bytes = file(&[b"one".to_vec(), b"two".to_vec()]);
        let torn = bytes.get(..bytes.len() - 1).unwrap();
        assert_eq!(intact(torn), [1]);
        assert!(matches!(scan(torn, MARK).last(), Some(Piece::Damaged(range)) if range.end == torn.len()));
    }
}
