package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	devices "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// gpuPlugin advertises GPUs that do not exist, so that pods asking for them can be scheduled.
type gpuPlugin struct {
	devices.UnimplementedDevicePluginServer
	count int
}

func (g *gpuPlugin) GetDevicePluginOptions(
	context.Context, *devices.Empty,
) (*devices.DevicePluginOptions, error) {
	return &devices.DevicePluginOptions{}, nil
}

// ListAndWatch sends the list once: devices that do not exist never change their health.
func (g *gpuPlugin) ListAndWatch(
	_ *devices.Empty, stream grpc.ServerStreamingServer[devices.ListAndWatchResponse],
) error {
	list := make([]*devices.Device, g.count)
	for i := range list {
		list[i] = &devices.Device{ID: fmt.Sprintf("fake-gpu-%d", i), Health: devices.Healthy}
	}
	if err := stream.Send(&devices.ListAndWatchResponse{Devices: list}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// Allocate gives the container nothing: no device node stands behind the resource.
func (g *gpuPlugin) Allocate(
	_ context.Context, request *devices.AllocateRequest,
) (*devices.AllocateResponse, error) {
	response := &devices.AllocateResponse{}
	for range request.ContainerRequests {
		response.ContainerResponses = append(
			response.ContainerResponses, &devices.ContainerAllocateResponse{})
	}
	return response, nil
}
