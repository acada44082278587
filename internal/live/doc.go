// SPDX-License-Identifier: Apache-2.0

// Package live joins the tracer, the decoders and /proc into one stream of
// events.
//
//	rings ─► intake ─► pump (decode, correlate) ─► outbox ─► output
//	                    ▲ /proc workers, timerfd  └► outbox ─► record
//	                    └ samples of memory, from a goroutine of their own
//
// Every arrow is a bounded queue. The intake never looks at /proc or the output;
// the pump waits a few milliseconds for /proc at the most; only an output's own
// goroutine can be held up by a slow reader, and then its outbox drops, counts, and
// keeps OOM events the longest. What reads samples may hang in /proc as long as it
// likes: what led up to a kill is told from those that it has handed over.
package live
