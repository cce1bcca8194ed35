//! Work on several threads at once, for calls that wait for others: registries, tools, disks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Applies `work` to every item, at most `limit` at a time; the results are in the items' order.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], limit: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = items.len().min(limit);
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((item, slot)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    items.get(number).zip(results.get(number))
                } {
                    let result = work(item);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    let results = results.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    results.flatten().collect()
}

/// Items that wait for a thread, and how many threads may still add some.
struct Waiting<T> {
    items: Vec<T>,
    busy: usize,
}

/// Works on all items, and on those that `work` adds to its last argument, until there are none left.
///
/// Each of up to `limit` threads has a state of its own, and has it `finished` in the end; they are
/// returned in no order.
pub(crate) fn exhaust<T: Send, S: Send>(
    items: Vec<T>,
    limit: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T, &mut Vec<T>) + Sync,
    finished: impl Fn(S) -> S + Sync,
) -> Vec<S> {
    let waiting = Mutex::new(Waiting { items, busy: 0 });
    let changed = Condvar::new();
    let next = |mut waiting: MutexGuard<'_, Waiting<T>>| loop {
        if let Some(item) = waiting.items.pop() {
            waiting.busy += 1;
            return Some(item);
        }
        if waiting.busy == 0 {
            return None;
        }
        waiting = changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
    };
    let lock = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = || {
        let mut state = state();
        let mut more = Vec::new();
        let mut item = next(lock());
        while let Some(current) = item {
            work(&mut state, current, &mut more);
            let mut waiting = lock();
            waiting.busy -= 1;
            waiting.items.append(&mut more);
            changed.notify_all();
            item = next(waiting);
        }
        finished(state)
    };
    thread::scope(|scope| {
        // If no more threads can be started, the work goes on with fewer.
        let others: Vec<_> =
            (1..limit).map_while(|_| thread::Builder::new().spawn_scoped(scope, thread).ok()).collect();
        let mut states = vec![thread()];
        states.extend(
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
        );
        states
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_and_the_limit() {
        let running = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let items: Vec<usize> = (0..50).collect();
        let results = map(&items, 4, |item| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= 4);
        assert!(map(&[] as &[u8], 4, |item| *item).is_empty());
    }

    #[test]
    fn nothing_that_is_added_is_missed() {
        for limit in [1, 2, 8] {
            // Each number adds those that are it with one more digit, up to four digits.
            let add = |seen: &mut Vec<u32>, number, more: &mut Vec<u32>| {
                seen.push(number);
                if number < 1000 {
                    more.extend((0..10).map(|digit| number * 10 + digit));
                }
            };
            let sorted = |mut seen: Vec<u32>| {
                seen.sort_unstable();
                seen
            };
            let states = exhaust(vec![1, 2, 3], limit, Vec::new, add, sorted);
            assert_eq!(states.len(), limit);
            assert!(states.iter().all(|state| state.is_sorted()));
            let mut seen = states.concat();
            seen.sort_unstable();
            let expected: Vec<u32> = [1..4, 10..40, 100..400, 1000..4000].into_iter().flatten().collect();
            assert_eq!(seen, expected);
        }
        assert_eq!(exhaust(Vec::<u8>::new(), 3, || 0, |_, _, _| (), |state| state), [0, 0, 0]);
    }
}
