package main

import (
	"flag"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
	devices "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const gpuResource = "nvidia.com/gpu"

// runNodePlugins serves the storage driver and, with --gpus, a device plugin on one node.
//
// The kubelet finds both by their sockets in its plugins_registry folder, again after each restart.
func runNodePlugins() {
	node := flag.String("node", "", "name of the node")
	volumes := flag.String("volumes", "", "folder of all volumes of the cluster")
	registry := flag.String("registry", "", "the kubelet's plugins_registry folder")
	gpus := flag.Int("gpus", 0, "number of "+gpuResource+" to advertise")
	flag.Parse()

	csiSocket := filepath.Join(*registry, "localkube-csi.sock")
	gpuSocket := filepath.Join(*registry, "localkube-gpu.sock")
	must(removeStale(csiSocket, gpuSocket))
	if *gpus > 0 {
		go serve(gpuSocket, func(server *grpc.Server) {
			devices.RegisterDevicePluginServer(server, &gpuPlugin{count: *gpus})
			registration.RegisterRegistrationServer(server, &registrar{info: &registration.PluginInfo{
				Type: registration.DevicePlugin, Name: gpuResource, Endpoint: gpuSocket,
				SupportedVersions: []string{devices.Version},
			}})
		})
	}
	serve(csiSocket, func(server *grpc.Server) {
		csi.RegisterIdentityServer(server, &identity{})
		csi.RegisterNodeServer(server, newNodeStorage(*node, *volumes))
		registration.RegisterRegistrationServer(server, &registrar{info: &registration.PluginInfo{
			Type: registration.CSIPlugin, Name: driverName, Endpoint: csiSocket,
			SupportedVersions: []string{"1.0.0"},
		}})
	})
}

func removeStale(sockets ...string) error {
	for _, socket := range sockets {
		if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func serve(socket string, register func(*grpc.Server)) {
	listener, err := net.Listen("unix", socket)
	must(err)
	server := grpc.NewServer()
	register(server)
	klog.InfoS("serving", "socket", socket)
	must(server.Serve(listener))
}

func must(err error) {
	if err != nil {
		klog.Fatal(err)
	}
}
