//! Metrics and logs as they came, until their own rooms take them: LZ4 over the OTLP protobuf, with the counts by service.

use super::bytes::{In, Out};
use smol_str::SmolStr;

/// Packs a payload.
pub(crate) fn encode(payload: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_prepend_size(payload)
}

/// Unpacks it. `None` for a damaged row.
pub(crate) fn decode(row: &[u8]) -> Option<Vec<u8>> {
    lz4_flex::block::decompress_size_prepended(row).ok()
}

/// Counts by service as a column.
pub(crate) fn encode_services(services: &[(SmolStr, u64)]) -> Vec<u8> {
    let mut out = Out::default();
    out.varint(services.len() as u64);
    for (service, count) in services {
        out.sized(service.as_bytes());
        out.varint(*count);
    }
    out.0
}

/// Reads the column back.
pub(crate) fn decode_services(bytes: &[u8]) -> Option<Vec<(SmolStr, u64)>> {
    let mut bytes = In(bytes);
    (0..bytes.count()?).map(|_| Some((bytes.text()?.into(), bytes.varint()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_and_its_counts_come_back() {
        let payload = b"otlp otlp otlp".repeat(20);
        assert_eq!(decode(&encode(&payload)), Some(payload));
        assert_eq!(decode(&[1, 2]), None);
        let services = vec![("a".into(), 3), ("".into(), u64::MAX)];
        assert_eq!(decode_services(&encode_services(&services)), Some(services));
    }
}
