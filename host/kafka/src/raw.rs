//! The calls into librdkafka that the safe binding lacks or gets wrong: headers and metadata that are not UTF-8 make it
//! panic, leader epochs are missing, and a commit does not tell which partition was refused. Every `unsafe` of the
//! crate is here.

use rdkafka::TopicPartitionList;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaApiKey;
use rdkafka_sys as sys;
use std::ffi::{CStr, c_int, c_void};

/// One entry of a list of partitions, copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The topic.
    pub(crate) topic: String,
    /// The partition's number.
    pub(crate) partition: i32,
    /// The offset, or one of librdkafka's negative logical offsets.
    pub(crate) offset: i64,
    /// Commit metadata; what is not UTF-8 in it is replaced.
    pub(crate) metadata: String,
    /// What went wrong with this partition, if anything.
    pub(crate) error: Option<Code>,
}

/// The entries of a list, copied out. An empty list has none (the safe binding once read a null pointer here).
#[expect(unsafe_code, reason = "the safe binding panics on metadata that is not UTF-8")]
pub(crate) fn entries(list: &TopicPartitionList) -> Vec<Entry> {
    let count = list.count();
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: a list with `count` entries has that many initialised elements behind `elems`, and it outlives the slice
    // because `list` is borrowed.
    let elements = unsafe { std::slice::from_raw_parts((*list.ptr()).elems, count) };
    elements.iter().map(entry).collect()
}

#[expect(unsafe_code, reason = "the fields are pointers into librdkafka's memory")]
fn entry(element: &sys::rd_kafka_topic_partition_t) -> Entry {
    let metadata = if element.metadata.is_null() || element.metadata_size == 0 {
        String::new()
    } else {
        // SAFETY: librdkafka says how many bytes there are behind a pointer that is not null.
        let bytes = unsafe { std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size) };
        String::from_utf8_lossy(bytes).into_owned()
    };
    // SAFETY: every element has a topic, which ends with a zero byte.
    let topic = unsafe { CStr::from_ptr(element.topic) }.to_string_lossy().into_owned();
    Entry { topic, partition: element.partition, offset: element.offset, metadata, error: failure(element.err) }
}

fn failure(code: sys::rd_kafka_resp_err_t) -> Option<Code> {
    (code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| Code::from(code))
}

/// Sets the leader epoch of the entry at `index`, which lets the broker notice that a log was cut back (KIP-320).
#[expect(unsafe_code, reason = "the safe binding has no leader epochs")]
pub(crate) fn set_leader_epoch(list: &mut TopicPartitionList, index: usize, epoch: i32) {
    if index < list.count() {
        // SAFETY: `index` is below the number of elements, and the list is borrowed alone.
        unsafe { sys::rd_kafka_topic_partition_set_leader_epoch((*list.ptr()).elems.add(index), epoch) };
    }
}

/// The epoch of the leader that the record was fetched from, where the broker tells.
#[expect(unsafe_code, reason = "the safe binding has no leader epochs")]
pub(crate) fn leader_epoch(message: &BorrowedMessage<'_>) -> Option<i32> {
    // SAFETY: the message is borrowed, so its pointer is valid.
    let epoch = unsafe { sys::rd_kafka_message_leader_epoch(message.ptr()) };
    (epoch >= 0).then_some(epoch)
}

/// The partition in which a producer with the partitioner `murmur2_random` puts a key, of so many.
#[expect(unsafe_code, reason = "the safe binding lacks the call")]
pub(crate) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    if key.is_empty() || partitions < 1 {
        return 0;
    }
    let nothing = std::ptr::null_mut();
    // SAFETY: with a key that is there, this partitioner looks at its bytes and the count alone; both are valid, and the
    // count divides.
    unsafe {
        let key_ptr = key.as_ptr().cast::<c_void>();
        sys::rd_kafka_msg_partitioner_murmur2_random(std::ptr::null(), key_ptr, key.len(), partitions, nothing, nothing)
    }
}

/// Calls `each` with the name and the value of every header, in their order.
#[expect(unsafe_code, reason = "the safe binding panics on names that are not UTF-8")]
pub(crate) fn for_each_header(message: &BorrowedMessage<'_>, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut headers = std::ptr::null_mut();
    // SAFETY: the message is borrowed, so its pointer is valid; the headers belong to it.
    let code = unsafe { sys::rd_kafka_message_headers(message.ptr(), &mut headers) };
    if failure(code).is_some() || headers.is_null() {
        return;
    }
    for index in 0.. {
        let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the headers live as long as the message; past the last one an error comes back and nothing is set.
        let code = unsafe { sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size) };
        if failure(code).is_some() {
            return;
        }
        // SAFETY: on success the name ends with a zero byte, and `size` bytes are behind a value that is not null.
        let (name, value) = unsafe {
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
            (CStr::from_ptr(name).to_bytes(), value)
        };
        each(name, value);
    }
}

/// Commits and waits: what happened to each partition, or why nothing is known of any.
#[expect(unsafe_code, reason = "the safe binding hides which partition was refused")]
pub(crate) fn commit<C: ClientContext>(client: &Client<C>, list: &TopicPartitionList) -> Result<Vec<Entry>, Code> {
    unsafe extern "C" fn note(
        _client: *mut sys::rd_kafka_t,
        _code: sys::rd_kafka_resp_err_t,
        offsets: *mut sys::rd_kafka_topic_partition_list_t,
        opaque: *mut c_void,
    ) {
        if offsets.is_null() {
            return;
        }
        // SAFETY: `opaque` is the vector of the caller below, who waits for this call; the list is librdkafka's and
        // valid until this returns.
        unsafe {
            let count = usize::try_from((*offsets).cnt).unwrap_or(0);
            if count > 0 {
                let elements = std::slice::from_raw_parts((*offsets).elems, count);
                (*opaque.cast::<Vec<Entry>>()).extend(elements.iter().map(entry));
            }
        }
    }
    let mut noted: Vec<Entry> = Vec::new();
    // SAFETY: without a queue of ours librdkafka waits for the answer and calls `note` on this thread before it returns,
    // so `noted` outlives the call.
    let code = unsafe {
        sys::rd_kafka_commit_queue(
            client.native_ptr(),
            list.ptr(),
            std::ptr::null_mut(),
            Some(note),
            (&raw mut noted).cast(),
        )
    };
    match failure(code) {
        Some(code) if noted.iter().all(|entry| entry.error.is_none()) => Err(code),
        _ => Ok(noted),
    }
}

/// Makes groups of the embedded cluster start at once instead of after the 3 s that it would wait for more members.
#[expect(unsafe_code, reason = "the safe binding lacks the call")]
pub(crate) fn start_groups_at_once<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the cluster belongs to the borrowed client; a client without one gives null.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}

/// The next request of this kind that comes to this broker of the embedded cluster is answered so, behind what was laid down
/// before.
#[expect(unsafe_code, reason = "the safe binding refuses requests of the whole cluster only")]
pub(crate) fn answer_next<C: ClientContext>(
    client: &Client<C>,
    broker: u16,
    request: RDKafkaApiKey,
    answer: sys::rd_kafka_resp_err_t,
) -> Result<(), Code> {
    // SAFETY: the cluster belongs to the borrowed client; null is refused with a code. As the count says, one pair of code
    // and delay follows, both as the C integers that the callee takes them for.
    let code = unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if cluster.is_null() {
            return Err(Code::InvalidArgument);
        }
        let (key, one, delay_ms): (i16, usize, c_int) = (request.into(), 1, 0);
        sys::rd_kafka_mock_broker_push_request_error_rtts(cluster, broker.into(), key, one, answer as c_int, delay_ms)
    };
    failure(code).map_or(Ok(()), Err)
}

/// How many of these answers are left.
#[expect(unsafe_code, reason = "the safe binding lacks the call")]
pub(crate) fn answers_left<C: ClientContext>(
    client: &Client<C>,
    broker: u16,
    request: RDKafkaApiKey,
) -> Result<usize, Code> {
    let mut left = 0;
    // SAFETY: the cluster belongs to the borrowed client; null is refused with a code. `left` outlives the call.
    let code = unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        sys::rd_kafka_mock_broker_error_stack_cnt(cluster, broker.into(), request.into(), &mut left)
    };
    failure(code).map_or(Ok(left), Err)
}
