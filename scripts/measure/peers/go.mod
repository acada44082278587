module github.com/oomtrace/oomtrace/scripts/measure/peers

go 1.26.0

require (
	github.com/euank/go-kmsg-parser v2.0.0+incompatible
	github.com/google/cadvisor v0.60.6
	github.com/oomtrace/oomtrace v0.0.0
)

require (
	github.com/go-logr/logr v1.4.3 // indirect
	k8s.io/klog/v2 v2.130.1 // indirect
)

replace github.com/oomtrace/oomtrace => ../../..
