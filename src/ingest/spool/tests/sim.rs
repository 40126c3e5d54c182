//! A disk in memory that loses power.
//!
//! What was not synced is lost in parts: of each write any sectors may be there, of each file any writes, of the directory
//! any changes, in whatever order. After a sync that failed, what it was for counts as clean and is partly gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::disk::{Dir, DirFile, Space};

const SECTOR: usize = 512;

#[derive(Debug, Clone)]
pub struct SimDir(Arc<Mutex<State>>);

#[derive(Debug, Clone)]
pub struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the directory was synced.
    changes: Vec<Change>,
    /// Files opened before the power was lost are no use after it.
    life: u32,
    /// Steps until the power is cut.
    fuse: Option<u32>,
    is_off: bool,
    chance: u64,
    pub fail_syncs: u32,
    pub fail_reads: u32,
    /// Writes are cut in half.
    pub is_full: bool,
    pub space: Space,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Len(usize),
}

#[derive(Debug, Clone)]
enum Change {
    Link(String, usize),
    Unlink(String),
    Rename { from: String, to: String, inode: usize },
}

impl SimDir {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            life: 0,
            fuse: None,
            is_off: false,
            chance: seed | 1,
            fail_syncs: 0,
            fail_reads: 0,
            is_full: false,
            space: Space { total: 1 << 40, free: 1 << 40 },
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// Cuts the power after so many steps.
    pub fn cut_after(&self, steps: u32) {
        self.state().fuse = Some(steps);
    }

    /// The power is cut now, if it was not before, and comes back.
    pub fn lose_power(&self) {
        let mut state = self.state();
        let mut inodes = std::mem::take(&mut state.inodes);
        for inode in &mut inodes {
            state.lose(inode);
            inode.now.clone_from(&inode.durable);
        }
        state.inodes = inodes;
        let changes = std::mem::take(&mut state.changes);
        // Some file systems keep the order of these, some do not.
        let in_order = state.toss();
        for change in changes {
            if state.toss() {
                change.apply(&mut state.durable_names);
            } else if in_order {
                break;
            }
        }
        state.names = state.durable_names.clone();
        (state.life, state.is_off, state.fuse) = (state.life + 1, false, None);
        (state.fail_syncs, state.fail_reads, state.is_full) = (0, 0, false);
    }

    /// The files, as a program sees them.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(name, inode)| (name.clone(), state.inodes[*inode].now.clone())).collect()
    }

    /// Puts other files in their place, durably.
    pub fn set_files(&self, files: BTreeMap<String, Vec<u8>>) {
        let mut state = self.state();
        let names = files.keys().cloned().enumerate().map(|(at, name)| (name, at)).collect();
        let inode = |bytes: Vec<u8>| Inode { durable: bytes.clone(), now: bytes, pending: Vec::new() };
        state.inodes = files.into_values().map(inode).collect();
        (state.names, state.durable_names) = (BTreeMap::clone(&names), names);
        state.changes.clear();
        state.life += 1;
    }
}

impl State {
    fn toss(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance & 0x10000 != 0
    }

    /// One step of a program that began in this life. What fails with the fuse has not happened.
    fn step(&mut self, life: u32) -> io::Result<()> {
        if let Some(fuse) = &mut self.fuse {
            self.is_off |= *fuse == 0;
            *fuse = fuse.saturating_sub(1);
        }
        if self.is_off || life != self.life { Err(io::Error::other("no power")) } else { Ok(()) }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    /// Makes any part of what is pending durable, and forgets the rest.
    fn lose(&mut self, inode: &mut Inode) {
        let (nothing, all) = (self.toss() && self.toss(), self.toss() && self.toss());
        for write in std::mem::take(&mut inode.pending) {
            let Write::Bytes { at, bytes } = write else {
                if all || (!nothing && self.toss()) {
                    write.apply(&mut inode.durable);
                }
                continue;
            };
            let mut from = 0;
            while from < bytes.len() {
                let to = (((at + from) / SECTOR + 1) * SECTOR - at).min(bytes.len());
                if all || (!nothing && self.toss()) {
                    Write::Bytes { at: at + from, bytes: bytes[from..to].to_vec() }.apply(&mut inode.durable);
                } else if !nothing && self.toss() && inode.durable.len() < at + to {
                    // The length got there and the bytes did not.
                    inode.durable.resize(at + to, 0);
                }
                from = to;
            }
        }
    }
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => {
                to.resize(to.len().max(at + bytes.len()), 0);
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Len(len) => to.resize(*len, 0),
        }
    }
}

impl Change {
    fn apply(&self, to: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, inode) => {
                to.insert(name.clone(), *inode);
            }
            Self::Unlink(name) => {
                to.remove(name);
            }
            Self::Rename { from, to: name, inode } => {
                to.remove(from);
                to.insert(name.clone(), *inode);
            }
        }
    }
}

#[derive(Debug)]
struct SimFile {
    dir: SimDir,
    inode: usize,
    life: u32,
}

/// The directory as a program sees it that started in this life.
#[derive(Debug)]
pub struct Mounted {
    dir: SimDir,
    life: u32,
}

impl SimDir {
    pub fn mount(&self) -> Mounted {
        Mounted { dir: self.clone(), life: self.state().life }
    }
}

impl Mounted {
    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.dir.state().is_off
    }

    fn file(&self, inode: usize) -> Box<dyn DirFile> {
        Box::new(SimFile { dir: self.dir.clone(), inode, life: self.life })
    }

    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.dir.state();
        state.step(self.life)?;
        Ok(state)
    }
}

impl Dir for Mounted {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.step()?.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        let inode = self.step()?.find(name)?;
        Ok(self.file(inode))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        let mut state = self.step()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change(Change::Link(name.to_owned(), inode));
        drop(state);
        Ok(self.file(inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.find(from)?;
        state.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.step()?;
        state.find(name)?;
        state.change(Change::Unlink(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.step()?;
        for change in std::mem::take(&mut state.changes) {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.create(name)?.set_len(bytes)?;
        self.dir.state().space.free -= bytes;
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        Ok(self.step()?.space)
    }
}

impl SimFile {
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.dir.state();
        state.step(self.life)?;
        Ok(state)
    }

    fn write(state: &mut State, inode: usize, write: Write) {
        let inode = &mut state.inodes[inode];
        write.apply(&mut inode.now);
        inode.pending.push(write);
    }
}

impl DirFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.step()?.inodes[self.inode].now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.step()?;
        if state.fail_reads > 0 {
            state.fail_reads -= 1;
            return Err(io::Error::other("a bad sector"));
        }
        let bytes = &state.inodes[self.inode].now;
        let rest = bytes.get(usize::try_from(at).expect("small")..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.step()?;
        let at = usize::try_from(at).expect("small");
        let bytes = if state.is_full { &bytes[..bytes.len() / 2] } else { bytes };
        Self::write(&mut state, self.inode, Write::Bytes { at, bytes: bytes.to_vec() });
        if state.is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.step()?;
        Self::write(&mut state, self.inode, Write::Len(usize::try_from(len).expect("small")));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.step()?;
        let mut inode = std::mem::take(&mut state.inodes[self.inode]);
        let fails = state.fail_syncs > 0;
        if fails {
            state.fail_syncs -= 1;
            state.lose(&mut inode);
        } else {
            let pending = std::mem::take(&mut inode.pending);
            pending.iter().for_each(|write| write.apply(&mut inode.durable));
        }
        state.inodes[self.inode] = inode;
        if fails { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    }
}
