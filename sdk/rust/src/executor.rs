//! Turns into futures: one future per ticket, polled when it starts and when it has news. Authors never see this; the
//! macro `plugin!` and `testing` drive it.
//!
//! There is no queue of wakers: an answer names its ticket, so who has news is known without being told. The one waker
//! that exists notes whether a future woke itself (as a `yield` does), which asks for another poll in the same turn.

use crate::bindings::millrace::plugin::types as wit;
use crate::ticket::{Instance, Ticket};
use crate::{Event, Failure, Level, MediaWiki, Outcome, Plugin, Timer, imports, settings};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = Result<Outcome, Failure>>>>;

struct Task {
    ticket: Rc<Ticket>,
    future: Work,
    /// Already among those to poll in this turn.
    has_news: bool,
}

/// One configured plugin and the events that it has in flight.
pub(crate) struct Executor<P> {
    plugin: Rc<P>,
    instance: Rc<Instance>,
    tasks: HashMap<u64, Task, BuildHasherDefault<TicketHasher>>,
    with_news: Vec<u64>,
    woken: Arc<Woken>,
    waker: Waker,
}

impl<P: Plugin> Executor<P> {
    /// Reads the settings and makes the plugin.
    ///
    /// # Errors
    /// The settings are not what the plugin's type says, or the plugin refuses them.
    pub(crate) fn configure(settings: &str) -> Result<Self, String> {
        let plugin = Rc::new(P::new(settings::read(settings)?)?);
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let instance = Rc::default();
        Ok(Self { plugin, instance, tasks: HashMap::default(), with_news: Vec::new(), woken, waker })
    }

    /// One turn of the contract.
    pub(crate) fn turn(&mut self, now_ms: u64, inputs: Vec<wit::Input>) -> Vec<wit::Output> {
        self.instance.now_ms.set(now_ms);
        *self.instance.outputs.borrow_mut() = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                wit::Input::Event(event) => self.start(event),
                wit::Input::Answer(answer) => self.answer(answer),
                wit::Input::Cancel(number) => drop(self.tasks.remove(&number)),
                wit::Input::Timer(timer) => self.fire(timer),
            }
        }
        self.poll_those_with_news();
        std::mem::take(&mut *self.instance.outputs.borrow_mut())
    }

    fn start(&mut self, event: wit::Event) {
        let number = event.ticket;
        let ticket = Ticket::new(number, Rc::clone(&self.instance));
        let plugin = Rc::clone(&self.plugin);
        let event = Event::new(Rc::clone(&ticket), event);
        let wiki = MediaWiki::new(Rc::clone(&ticket));
        self.begin(number, ticket, Box::pin(async move { plugin.process(event, &wiki).await }));
    }

    fn fire(&mut self, timer: wit::Timer) {
        let number = timer.ticket;
        let ticket = Ticket::new(number, Rc::clone(&self.instance));
        let plugin = Rc::clone(&self.plugin);
        let timer = Timer::new(Rc::clone(&ticket), timer);
        let wiki = MediaWiki::new(Rc::clone(&ticket));
        self.begin(number, ticket, Box::pin(async move { plugin.on_timer(timer, &wiki).await }));
    }

    fn begin(&mut self, number: u64, ticket: Rc<Ticket>, mut future: Work) {
        match poll(&mut future, &self.waker, &self.woken) {
            Poll::Ready(result) => finish(&self.instance, number, result),
            Poll::Pending => drop(self.tasks.insert(number, Task { ticket, future, has_news: false })),
        }
    }

    fn answer(&mut self, answer: wit::Answer) {
        // An answer to a ticket that is done or cancelled may have been under way already.
        let Some(task) = self.tasks.get_mut(&answer.ticket) else { return };
        task.ticket.answer(answer.id, answer.result);
        if !task.has_news {
            task.has_news = true;
            self.with_news.push(answer.ticket);
        }
    }

    fn poll_those_with_news(&mut self) {
        for number in self.with_news.drain(..) {
            // Cancelled later in the same turn.
            let Some(task) = self.tasks.get_mut(&number) else { continue };
            task.has_news = false;
            if let Poll::Ready(result) = poll(&mut task.future, &self.waker, &self.woken) {
                self.tasks.remove(&number);
                finish(&self.instance, number, result);
            }
        }
    }
}

fn poll(future: &mut Work, waker: &Waker, woken: &Woken) -> Poll<Result<Outcome, Failure>> {
    let mut ctx = Context::from_waker(waker);
    loop {
        woken.0.store(false, Ordering::Relaxed);
        let poll = future.as_mut().poll(&mut ctx);
        if poll.is_ready() || !woken.0.load(Ordering::Relaxed) {
            return poll;
        }
    }
}

fn finish(instance: &Instance, ticket: u64, result: Result<Outcome, Failure>) {
    let outcome = result.unwrap_or_else(Outcome::fail).0;
    instance.outputs.borrow_mut().push(wit::Output::Done(wit::Done { ticket, outcome }));
}

/// The component's one executor, once it is configured.
pub struct Running<P>(RefCell<Option<Executor<P>>>);

impl<P: Plugin> Running<P> {
    /// Not configured yet.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// The contract's `configure`.
    ///
    /// # Errors
    /// As [`Executor::configure`].
    pub fn configure(&self, settings: &str) -> Result<(), String> {
        std::panic::set_hook(Box::new(|panic| imports::log(None, Level::Error, &panic.to_string())));
        *self.0.borrow_mut() = Some(Executor::configure(settings)?);
        Ok(())
    }

    /// The contract's `turn`. The host configures first; without that, nothing comes of the inputs.
    pub fn turn(&self, now_ms: u64, inputs: Vec<wit::Input>) -> Vec<wit::Output> {
        self.0.borrow_mut().as_mut().map(|executor| executor.turn(now_ms, inputs)).unwrap_or_default()
    }
}

impl<P: Plugin> Default for Running<P> {
    fn default() -> Self {
        Self::new()
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ticket numbers are the host's and mostly follow each other: one multiplication spreads them well.
#[derive(Default)]
struct TicketHasher(u64);

impl Hasher for TicketHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
