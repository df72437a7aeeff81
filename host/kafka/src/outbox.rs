//! The way out of the poll thread: events go to the pipeline in order, over a bounded channel. When the channel is full
//! they wait here and the thread goes on with other things; it is woken when there is room.

use crate::consumer::SourceEvent;
use crate::wake::unpark;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{SendError, TrySendError};

type Permit = Result<mpsc::OwnedPermit<SourceEvent>, SendError<()>>;

/// Events on their way to the pipeline.
pub(crate) struct Outbox {
    sink: mpsc::Sender<SourceEvent>,
    /// Holds at most one batch, since the thread takes no records while something waits here, and besides it what
    /// rebalances say, and before a pause what was fetched ahead.
    held: VecDeque<SourceEvent>,
    /// The place in the channel that is being waited for.
    permit: Option<Pin<Box<dyn Future<Output = Permit> + Send>>>,
    waker: Waker,
    blocked_since: Option<Instant>,
    closed: bool,
}

impl Outbox {
    /// An outbox into `sink` whose `thread` is unparked when there is room.
    pub(crate) fn new(sink: mpsc::Sender<SourceEvent>, thread: Thread) -> Self {
        let waker = unpark(thread);
        Self { sink, held: VecDeque::new(), permit: None, waker, blocked_since: None, closed: false }
    }

    /// Sends `event`, behind those that wait.
    pub(crate) fn push(&mut self, event: SourceEvent) {
        if !self.held.is_empty() {
            self.held.push_back(event);
            return;
        }
        match self.sink.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(event)) => {
                self.held.push_back(event);
                self.blocked_since = Some(Instant::now());
            }
            Err(TrySendError::Closed(_)) => self.closed = true,
        }
    }

    /// Moves what waits into the channel as far as there is room, and asks to be woken for the rest.
    pub(crate) fn advance(&mut self) {
        while !self.held.is_empty() && !self.closed {
            let sink = &self.sink;
            let permit = self.permit.get_or_insert_with(|| Box::pin(sink.clone().reserve_owned()));
            match permit.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => self.closed = true,
                Poll::Ready(Ok(permit)) => {
                    if let Some(event) = self.held.pop_front() {
                        permit.send(event);
                    }
                }
            }
            self.permit = None;
        }
        self.blocked_since = None;
    }

    /// True while something waits.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.held.is_empty()
    }

    /// How long something has been waiting.
    pub(crate) fn blocked_for(&self) -> Duration {
        self.blocked_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// True once nobody receives any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed || self.sink.is_closed()
    }
}
