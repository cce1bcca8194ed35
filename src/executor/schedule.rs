//! Tasks that wait for others, done by as many threads as their pool may have.
//!
//! A [`Schedule`] takes tasks, each with the tasks that it comes after, and [`Schedule::run`] does each as soon as
//! those are done. A task may add more tasks. The schedule does not know whether a task succeeded: the tasks after it
//! are done in any case, and find out themselves.
//!
//! A thread is started only for a task that no idle thread can take, so little work starts few threads.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

/// Which threads do a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// It keeps a processor busy.
    Processor,
    /// It waits for the answer of a registry.
    Network,
}

/// A task's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(usize);

/// Tasks of type `T`. Of the tasks that could begin, the least one begins.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    tasks: Vec<Task<T>>,
    processor: Crew<T>,
    network: Crew<T>,
    /// How many tasks are being done.
    running: usize,
    stopped: bool,
}

#[derive(Debug)]
struct Task<T> {
    work: T,
    pool: Pool,
    /// How many tasks have to be done first.
    waits_for: usize,
    /// The tasks that wait for this one.
    followers: Vec<Ticket>,
    done: bool,
}

#[derive(Debug)]
struct Crew<T> {
    ready: BTreeSet<(T, Ticket)>,
    limit: usize,
    threads: usize,
    idle: usize,
}

impl<T: Copy + Ord + Send> Schedule<T> {
    /// `processors` and `network` are how many threads each pool may have, at least one.
    pub(super) fn new(processors: usize, network: usize) -> Self {
        let crew = |limit: usize| Crew { ready: BTreeSet::new(), limit: limit.max(1), threads: 0, idle: 0 };
        let state = State {
            tasks: Vec::new(),
            processor: crew(processors),
            network: crew(network),
            running: 0,
            stopped: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a task that is done when all of `after` are.
    pub(super) fn add(&self, pool: Pool, work: T, after: impl IntoIterator<Item = Ticket>) -> Ticket {
        let mut state = self.lock();
        let ticket = Ticket(state.tasks.len());
        state.tasks.push(Task { work, pool, waits_for: 0, followers: Vec::new(), done: false });
        for first in after {
            state.order(first, ticket);
        }
        if state.tasks[ticket.0].waits_for == 0 {
            state.make_ready(ticket);
        }
        ticket
    }

    /// A task that was done before anything began.
    pub(super) fn add_done(&self, work: T) -> Ticket {
        let mut state = self.lock();
        let ticket = Ticket(state.tasks.len());
        state.tasks.push(Task { work, pool: Pool::Processor, waits_for: 0, followers: Vec::new(), done: true });
        ticket
    }

    /// Makes `later`, which still waits for something, wait for `first` too.
    pub(super) fn hold(&self, later: Ticket, first: Ticket) {
        self.lock().order(first, later);
    }

    /// Lets no more tasks begin.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Does everything, on this thread and others; returns when nothing is left, or all threads have
    /// ended what they had begun when it was stopped.
    pub(super) fn run(&self, work: impl Fn(T) + Sync) {
        self.lock().processor.threads = 1;
        thread::scope(|scope| self.serve(scope, Pool::Processor, &work));
    }

    fn serve<'scope, 'env, F: Fn(T) + Sync>(&'env self, scope: &'scope Scope<'scope, 'env>, pool: Pool, work: &'env F)
    where
        T: 'env,
    {
        let mut state = self.lock();
        loop {
            if state.stopped || state.is_over() {
                self.changed.notify_all();
                return;
            }
            let taken = state.take(pool);
            self.call(&mut state, scope, work);
            let Some((task, ticket)) = taken else {
                state.crew(pool).idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.crew(pool).idle -= 1;
                continue;
            };
            drop(state);
            {
                let _guard = StopOnPanic(self);
                work(task);
            }
            state = self.lock();
            state.finish(ticket);
        }
    }

    /// Wakes idle threads if there is something to do, and starts a thread for each task that no idle thread can take,
    /// up to the pool's limit.
    fn call<'scope, 'env, F: Fn(T) + Sync>(
        &'env self,
        state: &mut State<T>,
        scope: &'scope Scope<'scope, 'env>,
        work: &'env F,
    ) where
        T: 'env,
    {
        for pool in [Pool::Processor, Pool::Network] {
            let crew = state.crew(pool);
            if !crew.ready.is_empty() && crew.idle > 0 {
                self.changed.notify_all();
            }
            while crew.ready.len() > crew.idle && crew.threads < crew.limit {
                crew.threads += 1;
                crew.idle += 1;
                scope.spawn(move || {
                    self.lock().crew(pool).idle -= 1;
                    self.serve(scope, pool, work);
                });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Copy + Ord> State<T> {
    fn crew(&mut self, pool: Pool) -> &mut Crew<T> {
        match pool {
            Pool::Processor => &mut self.processor,
            Pool::Network => &mut self.network,
        }
    }

    fn order(&mut self, first: Ticket, later: Ticket) {
        if !self.tasks[first.0].done {
            self.tasks[first.0].followers.push(later);
            self.tasks[later.0].waits_for += 1;
        }
    }

    fn make_ready(&mut self, ticket: Ticket) {
        let Task { work, pool, .. } = self.tasks[ticket.0];
        self.crew(pool).ready.insert((work, ticket));
    }

    /// The first task of a pool; from now on it is being done.
    fn take(&mut self, pool: Pool) -> Option<(T, Ticket)> {
        let taken = self.crew(pool).ready.pop_first()?;
        self.running += 1;
        Some(taken)
    }

    fn finish(&mut self, ticket: Ticket) {
        self.running -= 1;
        self.tasks[ticket.0].done = true;
        for follower in std::mem::take(&mut self.tasks[ticket.0].followers) {
            self.tasks[follower.0].waits_for -= 1;
            if self.tasks[follower.0].waits_for == 0 {
                self.make_ready(follower);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.running == 0 && self.processor.ready.is_empty() && self.network.ready.is_empty()
    }
}

/// Stops the schedule if a task panics, so that the other threads end and the panic reaches the whole program.
struct StopOnPanic<'a, T: Copy + Ord + Send>(&'a Schedule<T>);

impl<T: Copy + Ord + Send> Drop for StopOnPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// Runs tasks, each after some of those before it, and gives the order in which they ended.
    fn order(tasks: &[(Pool, Vec<usize>)], processors: usize) -> Vec<usize> {
        let schedule = Schedule::new(processors, 2);
        let mut tickets = Vec::new();
        for (number, (pool, after)) in tasks.iter().enumerate() {
            tickets.push(schedule.add(*pool, number, after.iter().map(|first| tickets[*first])));
        }
        let ended = Mutex::new(Vec::new());
        schedule.run(|number| ended.lock().unwrap().push(number));
        ended.into_inner().unwrap()
    }

    proptest! {
        #[test]
        fn each_is_done_once_and_after_what_it_comes_after(
            tasks in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<prop::sample::Index>(), 0..4)), 0..40),
            processors in 1_usize..5,
        ) {
            let tasks: Vec<(Pool, Vec<usize>)> = tasks
                .into_iter()
                .enumerate()
                .map(|(number, (network, after))| {
                    let pool = if network { Pool::Network } else { Pool::Processor };
                    let after = if number == 0 { Vec::new() } else { after.iter().map(|index| index.index(number)).collect() };
                    (pool, after)
                })
                .collect();
            let ended = order(&tasks, processors);
            let place = |task: usize| ended.iter().position(|ended| *ended == task);
            prop_assert_eq!(ended.len(), tasks.len());
            for (number, (_, after)) in tasks.iter().enumerate() {
                for first in after {
                    prop_assert!(place(*first) < place(number));
                }
            }
        }
    }

    #[test]
    fn of_several_the_least_is_first() {
        assert_eq!(order(&[3, 0, 2, 1].map(|_| (Pool::Processor, Vec::new())), 1), [0, 1, 2, 3]);
    }

    #[test]
    fn a_task_may_add_what_another_then_waits_for() {
        let schedule = Schedule::new(3, 1);
        let first = schedule.add(Pool::Processor, 0, []);
        let last = schedule.add(Pool::Processor, 100, [first]);
        let ended = Mutex::new(Vec::new());
        schedule.run(|number| {
            if number == 0 {
                for number in 1..=5 {
                    let added = schedule.add(Pool::Network, number, []);
                    schedule.hold(last, added);
                }
            }
            ended.lock().unwrap().push(number);
        });
        let ended = ended.into_inner().unwrap();
        assert_eq!((ended.len(), ended.first(), ended.last()), (7, Some(&0), Some(&100)));
    }

    /// The thread that calls `run` does little work alone; a task that was done before begins at once.
    #[test]
    fn one_task_after_the_other_needs_no_other_thread() {
        let schedule = Schedule::new(4, 4);
        let known = schedule.add_done(0);
        let first = schedule.add(Pool::Processor, 1, [known]);
        schedule.add(Pool::Processor, 2, [known, first]);
        let this = thread::current().id();
        let ended = Mutex::new(Vec::new());
        schedule.run(|number| ended.lock().unwrap().push((number, thread::current().id())));
        assert_eq!(ended.into_inner().unwrap(), [(1, this), (2, this)]);
    }

    #[test]
    fn no_pool_has_more_threads_than_it_may() {
        let schedule = Schedule::new(3, 2);
        let (running, most) = ([AtomicUsize::new(0), AtomicUsize::new(0)], [AtomicUsize::new(0), AtomicUsize::new(0)]);
        for number in 0..20 {
            schedule.add(if number % 2 == 0 { Pool::Processor } else { Pool::Network }, number, []);
        }
        schedule.run(|number| {
            let now = running[number % 2].fetch_add(1, Ordering::SeqCst) + 1;
            most[number % 2].fetch_max(now, Ordering::SeqCst);
            thread::sleep(std::time::Duration::from_millis(2));
            running[number % 2].fetch_sub(1, Ordering::SeqCst);
        });
        assert!(most[0].load(Ordering::SeqCst) <= 3 && most[1].load(Ordering::SeqCst) <= 2, "{most:?}");
    }

    #[test]
    fn stopped_it_begins_nothing_more() {
        let schedule = Schedule::new(1, 1);
        for number in 0..10 {
            schedule.add(Pool::Processor, number, []);
        }
        let done = AtomicUsize::new(0);
        schedule.run(|number| {
            done.fetch_add(1, Ordering::SeqCst);
            if number == 2 {
                schedule.stop();
            }
        });
        assert_eq!(done.into_inner(), 3);
    }

    #[test]
    fn a_panic_ends_it() {
        let schedule = Schedule::new(2, 2);
        let first = schedule.add(Pool::Network, 0, []);
        schedule.add(Pool::Processor, 1, [first]);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| schedule.run(|_| panic!("on purpose"))));
        assert!(result.is_err());
    }
}
