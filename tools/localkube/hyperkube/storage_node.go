package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/mount-utils"
)

// identity answers the storage driver's identity calls.
type identity struct {
	csi.UnimplementedIdentityServer
}

func (*identity) GetPluginInfo(
	context.Context, *csi.GetPluginInfoRequest,
) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: "1"}, nil
}

func (*identity) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

func (*identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// nodeStorage mounts volumes on one node: once to a staging path, then bound into each pod.
type nodeStorage struct {
	csi.UnimplementedNodeServer
	node    string
	volumes string
	mounter mount.Interface
}

func newNodeStorage(node, volumes string) *nodeStorage {
	return &nodeStorage{node: node, volumes: volumes, mounter: mount.New("")}
}

func (n *nodeStorage) NodeGetInfo(
	context.Context, *csi.NodeGetInfoRequest,
) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.node}, nil
}

func (n *nodeStorage) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	stage := &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{
		Rpc: &csi.NodeServiceCapability_RPC{
			Type: csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		},
	}}
	return &csi.NodeGetCapabilitiesResponse{
		Capabilities: []*csi.NodeServiceCapability{stage},
	}, nil
}

func (n *nodeStorage) NodeStageVolume(
	_ context.Context, request *csi.NodeStageVolumeRequest,
) (*csi.NodeStageVolumeResponse, error) {
	source := filepath.Join(n.volumes, filepath.Base(request.VolumeId))
	options := []string{"bind"}
	if request.VolumeContext[mediumParameter] == mediumLoop {
		source, options = source+imageSuffix, []string{"loop"}
	}
	if err := n.mountOnce(source, request.StagingTargetPath, options); err != nil {
		return nil, err
	}
	return &csi.NodeStageVolumeResponse{}, os.Chmod(request.StagingTargetPath, 0o777)
}

func (n *nodeStorage) NodeUnstageVolume(
	_ context.Context, request *csi.NodeUnstageVolumeRequest,
) (*csi.NodeUnstageVolumeResponse, error) {
	err := mount.CleanupMountPoint(request.StagingTargetPath, n.mounter, true)
	return &csi.NodeUnstageVolumeResponse{}, err
}

func (n *nodeStorage) NodePublishVolume(
	_ context.Context, request *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	options := []string{"bind"}
	if request.Readonly {
		options = append(options, "ro")
	}
	if err := n.mountOnce(request.StagingTargetPath, request.TargetPath, options); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *nodeStorage) NodeUnpublishVolume(
	_ context.Context, request *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	err := mount.CleanupMountPoint(request.TargetPath, n.mounter, true)
	return &csi.NodeUnpublishVolumeResponse{}, err
}

// mountOnce is idempotent, as the kubelet repeats calls whose answer it did not see.
func (n *nodeStorage) mountOnce(source, target string, options []string) error {
	if _, err := os.Stat(source); err != nil {
		return status.Errorf(codes.NotFound, "the volume's data is gone: %v", err)
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	mounted, err := n.mounter.IsMountPoint(target)
	if err != nil || mounted {
		return err
	}
	return n.mounter.Mount(source, target, "", options)
}
