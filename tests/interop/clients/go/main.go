// main.go produce|consume BOOTSTRAP TOPIC CODEC - partition 0 by franz-go.
// main.go member BOOTSTRAP GROUP TOPIC PROTOCOL - one member of a group.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func produce(ctx context.Context, bootstrap, topic, c string) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec(c)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(100000))
	must(err)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	for in.Scan() {
		line := append([]byte(nil), in.Bytes()...)
		cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: 0, Value: line}, func(_ *kgo.Record, err error) { must(err) })
	}
	must(cl.Flush(ctx))
	cl.Close()
}

func consume(ctx context.Context, bootstrap, topic string) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().AtStart()}}))
	must(err)
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	must(err)
	end, _ := ends.Lookup(topic, 0)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	for at := int64(0); at < end.Offset; {
		f := cl.PollFetches(ctx)
		must(f.Err())
		f.EachRecord(func(r *kgo.Record) {
			out.Write(r.Value)
			out.WriteByte('\n')
			at = r.Offset + 1
		})
	}
	must(out.Flush())
}

func main() {
	ctx := context.Background()
	switch os.Args[1] {
	case "produce":
		produce(ctx, os.Args[2], os.Args[3], os.Args[4])
	case "member":
		member(ctx, os.Args[2], os.Args[4], os.Args[3], os.Args[5])
	default:
		consume(ctx, os.Args[2], os.Args[3])
	}
}
