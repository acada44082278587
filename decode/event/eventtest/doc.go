// SPDX-License-Identifier: Apache-2.0

// Package eventtest helps to test what makes or shows events: example events of
// every type, hostile ones among them, and validation of JSON lines against the
// published schema.
package eventtest
