//! A segment being read: whole frames, and what is damaged between them.

use std::io;

use super::disk::{DirFile, Disk, read_full_at};
use super::frame::{FRAME_HEADER, FrameHeader, resync};

const WINDOW: usize = 1 << 20;

/// A frame that was read but not yet given out.
#[derive(Debug)]
pub(super) struct Frame {
    pub header: FrameHeader,
    pub payload: Vec<u8>,
}

/// What was skipped on the way to a frame.
#[derive(Debug, Default)]
pub(super) struct Damage {
    pub places: u64,
    /// Frames whose header is whole and whose payload is not.
    pub headers: Vec<FrameHeader>,
}

#[derive(Debug)]
pub(super) struct OpenSegment {
    pub name: String,
    /// `None` once all of it was read: a removed file takes space as long as it is open.
    file: Option<Box<dyn DirFile>>,
    window: Vec<u8>,
    /// Where in the file the window starts.
    window_at: u64,
    /// Where in the window the next frame starts.
    pos: usize,
    /// The highest number given out so far, of earlier segments too.
    pub highest: u64,
}

impl OpenSegment {
    /// Begins to read at `from`.
    pub fn open(disk: &Disk, name: String, from: u64, highest: u64) -> io::Result<Self> {
        let file = Some(disk.open(&name)?);
        Ok(Self { name, file, window: Vec::new(), window_at: from, pos: 0, highest })
    }

    /// Lets go of the file, in which there is nothing more.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// The next whole frame before `limit`, and what was skipped on the way.
    ///
    /// # Errors
    /// If the disk fails: what was skipped before is then forgotten, so begin the segment anew.
    pub fn next(&mut self, limit: u64) -> io::Result<(Option<Frame>, Damage)> {
        let mut damage = Damage::default();
        loop {
            if self.fill(FRAME_HEADER, limit)? == 0 {
                return Ok((None, damage));
            }
            let mut resume = self.pos + 1;
            if let Some(header) = FrameHeader::read(&self.window[self.pos..]) {
                self.fill(header.frame_len() + FRAME_HEADER, limit)?;
                let end = self.pos + header.frame_len();
                let payload = self.window.get(self.pos + FRAME_HEADER..end);
                if let Some(payload) = payload.filter(|p| header.matches(p)) {
                    let payload = payload.to_vec();
                    self.pos = end;
                    return Ok((Some(Frame { header, payload }), damage));
                }
                damage.headers.push(header);
                // Nothing in a payload is taken for a frame while the next one stands where it should.
                resume = match self.window.get(end..) {
                    Some(rest) if rest.is_empty() || FrameHeader::read(rest).is_some() => end,
                    _ => self.pos + FRAME_HEADER,
                };
            }
            damage.places += 1;
            let resume = resume - self.pos;
            self.fill(usize::MAX, limit)?;
            self.pos = resync(&self.window, self.pos + resume).unwrap_or(self.window.len());
        }
    }

    /// Reads until `want` bytes stand before the position, or all there are; gives how many do.
    fn fill(&mut self, want: usize, limit: u64) -> io::Result<usize> {
        let have = self.window.len() - self.pos;
        if have >= want {
            return Ok(have);
        }
        self.window.drain(..self.pos);
        self.window_at += self.pos as u64;
        self.pos = 0;
        if self.window.capacity() > 4 * WINDOW && want <= WINDOW {
            self.window.shrink_to(WINDOW);
        }
        let end = self.window_at + have as u64;
        let available = usize::try_from(limit.saturating_sub(end)).unwrap_or(usize::MAX);
        let more = want.saturating_sub(have).max(WINDOW).min(available);
        self.window.resize(have + more, 0);
        // Fewer if somebody cut the file. What is left is read.
        let read = self.file.as_ref().map_or(Ok(0), |file| read_full_at(&**file, &mut self.window[have..], end));
        self.window.truncate(have + *read.as_ref().unwrap_or(&0));
        read?;
        Ok(self.window.len())
    }
}
