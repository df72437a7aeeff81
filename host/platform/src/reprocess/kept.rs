//! What an error event keeps of the record beside its value, in headers, so that the record can be made again.

use super::{BASE64, HEADER_PREFIX, KEY, RAW_ENCODING, RECORD_CUT, REPROCESSED, TIMESTAMP, header};
use bytes::Bytes;
use millrace_flow::record::{Header, Record};
use std::sync::Arc;

/// The share of an error event that key and headers of its record may take.
const KEPT_ONE_IN: usize = 4;

/// The headers that an error event of at most `bytes_max` bytes keeps of `record`, which was given back `reprocessed` times
/// before. Key and headers are kept all or not at all; [`RECORD_CUT`] says which.
pub(crate) fn kept_headers(record: &Record, reprocessed: u32, bytes_max: usize) -> Vec<Header> {
    let mut kept = vec![header(TIMESTAMP, record.timestamp_ms.to_string())];
    if reprocessed > 0 {
        kept.push(header(REPROCESSED, reprocessed.to_string()));
    }
    let key = record.key.as_ref().map(|key| header(KEY, key.clone()));
    let own = key.into_iter().chain(record.headers.iter().map(prefixed)).collect::<Vec<_>>();
    let bytes = own.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
    if bytes > bytes_max / KEPT_ONE_IN {
        kept.push(header(RECORD_CUT, bytes.to_string()));
    } else {
        kept.extend(own);
    }
    kept
}

/// Says that `raw_event` is base64.
pub(crate) fn raw_encoding() -> Header {
    header(RAW_ENCODING, BASE64)
}

fn prefixed(header: &Header) -> Header {
    Header { name: Arc::from(format!("{HEADER_PREFIX}{}", header.name)), value: header.value.clone() }
}
