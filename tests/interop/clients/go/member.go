package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// member joins a group, eager or cooperative: it prints what it is handed, then commits it.
func member(ctx context.Context, bootstrap, topic, group, protocol string) {
	var balancer kgo.GroupBalancer = kgo.RangeBalancer()
	if protocol == "cooperative" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.Balancers(balancer), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.RebalanceTimeout(20*time.Second))
	must(err)
	stop, cancel := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer cancel()
	for stop.Err() == nil {
		f := cl.PollRecords(stop, 100)
		var out strings.Builder
		f.EachRecord(func(r *kgo.Record) { fmt.Fprintf(&out, "got %d %d %s\n", r.Partition, r.Offset, r.Value) })
		_, _ = os.Stdout.WriteString(out.String())
		if out.Len() > 0 {
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				fmt.Println("refused", err)
			}
		}
		cl.AllowRebalance()
	}
	cl.Close()
	fmt.Println("leaving")
}
