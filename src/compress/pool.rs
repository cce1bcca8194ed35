//! The threads that compress, and the blocks that they work on. All layers that are written at once share them.
//!
//! There are at most as many threads as the user asked for, however many layers are written, and enough blocks to keep
//! the threads busy. This bounds the memory. Threads and blocks are made when they are needed: a program that writes no
//! layer has none, and one small layer has one of each.
//!
//! No thread waits for a block while it holds a block that another thread needs. So one free block is enough for all
//! layers to go on: see [`Compressors::block`].

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::earlier::{EarlierBlocks, PackedBlock};
use super::packer::{BLOCK, Packer};
use crate::model::Compression;

/// The threads and blocks for all layers of the process.
#[derive(Debug)]
pub(crate) struct Compressors {
    workers: usize,
    started: Mutex<usize>,
    work: Sender<Work>,
    queue: Receiver<Work>,
    made: AtomicUsize,
    give_back: Sender<Buffers>,
    free: Receiver<Buffers>,
}

/// What every thread that works on a layer needs of it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) compression: Compression,
    /// The blocks of an earlier layer, which may be copied. If this is `None`, the new blocks are not recorded either.
    pub(crate) earlier: Option<Arc<EarlierBlocks>>,
    /// The writing has failed: further blocks need not be compressed.
    pub(crate) is_stopped: AtomicBool,
}

/// A block to be compressed, and where to send it afterwards.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) block: Block,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pass_on: Sender<io::Result<Block>>,
}

/// A stretch of a layer: plain, and also compressed after a worker had it. A dropped block gives its buffers back.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) number: u64,
    /// How many plain bytes the block has. The rest of its buffer is room.
    length: usize,
    packed_length: usize,
    /// What is recorded of the block, if the layer records its blocks.
    pub(crate) remembered: Option<PackedBlock>,
    buffers: Buffers,
    home: Sender<Buffers>,
}

#[derive(Debug, Default)]
struct Buffers {
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Compressors {
    pub(crate) fn new(workers: usize) -> Self {
        let (work, queue) = unbounded();
        let (give_back, free) = unbounded();
        Self {
            workers: workers.max(1),
            started: Mutex::new(0),
            work,
            queue,
            made: AtomicUsize::new(0),
            give_back,
            free,
        }
    }

    /// For each worker one block is compressed, one waits and one is filled; two more are being written.
    fn limit(&self) -> usize {
        3 * self.workers + 2
    }

    /// An empty block. Waits for one if the most blocks are made already.
    ///
    /// A thread may ask only while it holds no full block. Then every block is either being filled, which needs no
    /// other block, or on its way to the writing thread, which gets the blocks in their order.
    pub(crate) fn block(&self, number: u64) -> Block {
        let make = || {
            let more = |made| (made < self.limit()).then_some(made + 1);
            self.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok().then(Buffers::default)
        };
        let buffers = self.free.try_recv().ok().or_else(make);
        // The channel does not end while `give_back` is here.
        let mut buffers = buffers.unwrap_or_else(|| self.free.recv().unwrap_or_default());
        buffers.plain.resize(BLOCK, 0);
        Block { number, length: 0, packed_length: 0, remembered: None, buffers, home: self.give_back.clone() }
    }

    /// Gives a block to the workers. It is an error if not even one thread can be started.
    pub(crate) fn submit(&self, work: Work) -> io::Result<()> {
        self.start_another()?;
        self.work.send(work).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn start_another(&self) -> io::Result<()> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if *started < self.workers {
            let queue = self.queue.clone();
            match thread::Builder::new().name("compress".to_owned()).spawn(move || compress(&queue)) {
                Ok(_) => *started += 1,
                // With fewer threads, compressing is only slower.
                Err(_) if *started > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Compresses blocks until the [`Compressors`] are dropped.
fn compress(queue: &Receiver<Work>) {
    let mut packer = None;
    for Work { mut block, shared, pass_on } in queue {
        if shared.is_stopped.load(Ordering::Relaxed) {
            continue;
        }
        let packed = block.compress(&shared, &mut packer).map(|()| block);
        // The thread that takes the block may have failed.
        let _ = pass_on.send(packed);
    }
}

impl Block {
    pub(crate) fn plain(&self) -> &[u8] {
        &self.buffers.plain[..self.length]
    }

    pub(crate) fn packed(&self) -> &[u8] {
        &self.buffers.packed[..self.packed_length]
    }

    /// Where more plain bytes go. The caller then [adds](Self::add) the bytes that it put there.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffers.plain[self.length..]
    }

    /// Makes the first `length` bytes of [`Block::room`] a part of the block, and returns them.
    pub(crate) fn add(&mut self, length: usize) -> &[u8] {
        let start = self.length;
        self.length += length;
        &self.buffers.plain[start..self.length]
    }

    fn compress(&mut self, shared: &Shared, packer: &mut Option<Packer>) -> io::Result<()> {
        let Buffers { plain, packed } = &mut self.buffers;
        let plain = &plain[..self.length];
        let mut compress = |packed: &mut Vec<u8>| Packer::reuse(packer, shared.compression)?.pack(plain, packed);
        match &shared.earlier {
            Some(earlier) => {
                let block = earlier.pack(plain, packed, compress)?;
                self.packed_length = block.length();
                self.remembered = Some(block);
            }
            None => self.packed_length = compress(packed)?,
        }
        Ok(())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // At the end of the program the pool may be gone already.
        let _ = self.home.send(std::mem::take(&mut self.buffers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_few_and_come_back() {
        let pool = Compressors::new(2);
        let held: Vec<Block> = (0..pool.limit() as u64).map(|number| pool.block(number)).collect();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.block(100).number);
            drop(held);
            assert_eq!(waiting.join().unwrap(), 100);
        });
        assert_eq!((pool.made.load(Ordering::Relaxed), pool.free.len()), (pool.limit(), pool.limit()));
        assert!(pool.block(0).plain().is_empty());
    }

    #[test]
    fn threads_start_as_they_are_needed() {
        let pool = Compressors::new(2);
        let (pass_on, packed) = unbounded();
        let shared =
            Arc::new(Shared { compression: Compression::Gzip, earlier: None, is_stopped: AtomicBool::new(false) });
        for (number, threads) in [(0, 1), (1, 2), (2, 2)] {
            let (shared, pass_on) = (Arc::clone(&shared), pass_on.clone());
            pool.submit(Work { block: pool.block(number), shared, pass_on }).unwrap();
            assert_eq!(*pool.started.lock().unwrap(), threads);
        }
        assert_eq!(packed.iter().take(3).map(|block| block.unwrap().number).sum::<u64>(), 3);
    }
}
