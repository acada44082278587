// SPDX-License-Identifier: Apache-2.0

// Package live joins the tracer, the decoders and /proc into one stream of
// events.
//
//	rings ─► intake ─► pump (decode, correlate) ─► outbox ─► output
//	                    ▲ /proc workers, timerfd  └► outbox ─► record
//
// Every arrow is a bounded queue. The intake never looks at /proc or the output;
// the pump waits a few milliseconds for /proc at the most; only an output's own
// goroutine can be held up by a slow reader, and then its outbox drops, counts, and
// keeps OOM events the longest.
package live
