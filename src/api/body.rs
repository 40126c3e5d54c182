//! The body of a request, in memory once.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use crate::ingest::InflateError;

/// Reads a body to its end. What came in one piece is not copied; what came in several is put together in a buffer of the
/// length that the sender told, if it told one.
///
/// # Errors
/// If it is larger than `max_bytes`: no more than that is ever held. If its sender goes away, or is too slow.
pub(super) async fn collect(request: Request, max_bytes: usize) -> Result<Bytes, InflateError> {
    let waits_for_leave = request.headers().contains_key(header::EXPECT);
    let mut body = request.into_body();
    let told = body.size_hint().exact().map(|told| usize::try_from(told).unwrap_or(usize::MAX));
    if told.is_some_and(|told| told > max_bytes) {
        if !waits_for_leave {
            discard(body, max_bytes).await;
        }
        return Err(InflateError::TooLarge { max_bytes });
    }
    let mut whole = Vec::new();
    let mut next = next_piece(&mut body).await?;
    while let Some(piece) = next {
        let length = whole.len() + piece.len();
        if length > max_bytes {
            drop((whole, piece));
            discard(body, max_bytes).await;
            return Err(InflateError::TooLarge { max_bytes });
        }
        next = next_piece(&mut body).await?;
        if whole.is_empty() && next.is_none() {
            return Ok(piece);
        }
        if whole.capacity() < length {
            // Not before something came: a length is easily told.
            whole.reserve_exact(room(told, length, max_bytes) - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// Reads a body for nothing: whoever is still writing does not see an answer, and a connection with an unread body is not
/// good for more. Gives up after three times the largest body.
pub(super) async fn discard(mut body: Body, max_bytes: usize) {
    let mut left = max_bytes.saturating_mul(3);
    while let Ok(Some(piece)) = next_piece(&mut body).await {
        let Some(less) = left.checked_sub(piece.len()) else { return };
        left = less;
    }
}

/// How large the buffer becomes that must hold `length` bytes now: what was told, else a little more, else all that may come.
/// What is not written to is not there, so a large buffer costs less than moving from one to the next.
fn room(told: Option<usize>, length: usize, max_bytes: usize) -> usize {
    const LITTLE: usize = 256 << 10;
    let more = if length < LITTLE { length.saturating_mul(2) } else { max_bytes };
    told.unwrap_or(more).min(max_bytes).max(length)
}

async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, InflateError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            // Trailers are no data.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(_) => {}
            },
            Some(Err(_)) => return Err(InflateError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn in_pieces(pieces: &[&'static [u8]]) -> Request {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece))).collect();
        Request::new(Body::from_stream(stream::iter(pieces)))
    }

    #[tokio::test]
    async fn a_body_is_what_its_pieces_are() {
        let whole = collect(in_pieces(&[b"{\"a\"", b"", b":", b"1}"]), 7).await;
        assert_eq!(whole.as_deref(), Ok(&b"{\"a\":1}"[..]));
        assert_eq!(collect(in_pieces(&[]), 7).await.as_deref(), Ok(&b""[..]));
        assert_eq!(collect(in_pieces(&[b"", b""]), 7).await.as_deref(), Ok(&b""[..]));
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![b' '; 5000]);
        for body in
            [Body::from(piece.clone()), Body::from_stream(stream::iter([Ok::<_, std::io::Error>(piece.clone())]))]
        {
            let whole = collect(Request::new(body), 5000).await.expect("it is within the limit");
            assert_eq!((whole.as_ptr(), whole.len()), (piece.as_ptr(), piece.len()));
        }
    }

    #[tokio::test]
    async fn a_byte_over_the_limit_is_too_much_however_it_comes() {
        let too_large = Err(InflateError::TooLarge { max_bytes: 6 });
        assert_eq!(collect(in_pieces(&[b"1234", b"567"]), 6).await, too_large);
        assert_eq!(collect(in_pieces(&[b"1234567"]), 6).await, too_large);
        assert_eq!(collect(Request::new(Body::from("1234567")), 6).await, too_large);
        assert_eq!(collect(in_pieces(&[b"1234", b"56"]), 6).await.as_deref(), Ok(&b"123456"[..]));
    }

    #[tokio::test]
    async fn a_body_that_ends_too_early_is_damaged() {
        let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))];
        let request = Request::new(Body::from_stream(stream::iter(pieces)));
        assert_eq!(collect(request, 100).await, Err(InflateError::Damaged));
    }

    #[test]
    fn the_buffer_is_as_large_as_told_and_never_larger_than_may_come() {
        const MAX: usize = 20 << 20;
        assert_eq!(room(Some(1000), 10, MAX), 1000);
        assert_eq!(room(Some(usize::MAX), 10, MAX), MAX);
        assert_eq!(room(None, 10, MAX), 20);
        assert_eq!(room(None, 4000, 5000), 5000);
        assert_eq!(room(None, 1 << 20, MAX), MAX);
        assert_eq!(room(None, MAX, MAX), MAX);
    }
}
