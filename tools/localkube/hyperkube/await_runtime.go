package main

import (
	"context"
	"flag"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// runAwaitRuntime returns once the container runtime takes calls, which is some time after it
// accepts connections; a kubelet that comes too early ends itself.
func runAwaitRuntime() {
	socket := flag.String("socket", "", "path of the runtime's socket")
	limit := flag.Duration("timeout", 20*time.Second, "how long to wait")
	flag.Parse()
	connection, err := grpc.NewClient("unix://"+*socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	client := runtime.NewRuntimeServiceClient(connection)
	for {
		_, err := client.Version(ctx, &runtime.VersionRequest{}, grpc.WaitForReady(true))
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			klog.Fatalf("no answer on %s in %s: %v", *socket, *limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
