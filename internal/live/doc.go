// SPDX-License-Identifier: Apache-2.0

// Package live joins the tracer, the decoders and /proc into one stream of
// events.
//
//	rings ─► intake ─► pump (decode, correlate) ─► outbox ─► writer (sink)
//	                    ▲ /proc worker, timerfd
//
// Every arrow is a bounded queue. The intake never looks at /proc or the output;
// the pump waits a few milliseconds for /proc at the most; only the writer can
// be held up by a slow reader, and then the outbox drops, counts, and keeps OOM
// events the longest.
package live
