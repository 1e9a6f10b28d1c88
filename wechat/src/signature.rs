//! The signature of pushes: SHA-1 over the byte-wise sorted parts (`facts.md` §1.2, §1.5).

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// SHA-1 of the parts, sorted as byte strings and joined without a separator.
#[must_use]
pub fn sign(parts: &[&[u8]]) -> [u8; 20] {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let mut sha = Sha1::new();
    for part in sorted {
        sha.update(part);
    }
    sha.finalize().into()
}

/// Whether `given_hex` (40 hex digits) is the signature of `parts`.
///
/// Compares twenty raw bytes in constant time; what is no hex is simply not the signature.
#[must_use]
pub fn verify(parts: &[&[u8]], given_hex: &str) -> bool {
    let mut given = [0; 20];
    hex::decode_to_slice(given_hex, &mut given).is_ok() && bool::from(sign(parts).ct_eq(&given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sorts_upper_case_first_and_numbers_as_strings() {
        assert_eq!(sign(&[b"c", b"a", b"b"]), sign(&[b"abc"]));
        assert_eq!(sign(&[b"a", b"B", b"1"]), sign(&[b"1Ba"]));
        assert_eq!(sign(&[b"9", b"10", b"+x", b"/x"]), sign(&[b"+x/x109"]));
    }

    #[test]
    fn garbage_is_not_a_signature() {
        for given in ["", "zz", "f464b24fc39322e44b38aa78f5edd27bd144169", "签名"] {
            assert!(!verify(&[b"a"], given), "{given}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_parts_does_not_matter_and_every_bit_does(
            mut parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5),
            bit in 0usize..160,
        ) {
            let given = sign(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            parts.reverse();
            let reversed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert!(verify(&reversed, &hex::encode(given)));
            prop_assert!(verify(&reversed, &hex::encode_upper(given)));
            let mut flipped = given;
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify(&reversed, &hex::encode(flipped)));
        }
    }
}
