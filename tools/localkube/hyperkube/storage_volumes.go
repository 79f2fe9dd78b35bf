package main

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
	provisionedBy         = "pv.kubernetes.io/provisioned-by"
	sharingParameter      = "sharing"
	sharingCluster        = "cluster"
)

// provision makes a volume for a claim that the volume binder handed to this driver.
func (s *storageController) provision(
	ctx context.Context, claim *corev1.PersistentVolumeClaim,
) error {
	if claim.Annotations[provisionerAnnotation] != driverName || claim.Spec.VolumeName != "" ||
		claim.DeletionTimestamp != nil || claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := s.factory.Storage().V1().StorageClasses().Lister().Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	if err := checkAccessModes(claim, class); err != nil {
		s.reportOnce(claim, err)
		return nil
	}
	volume := volumeFor(claim, class)
	size := volume.Spec.Capacity[corev1.ResourceStorage]
	if err := s.backend.create(volume.Name, class.Parameters[mediumParameter], size.Value()); err != nil {
		s.reportOnce(claim, err)
		return err
	}
	_, err = s.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// checkAccessModes refuses what a cloud's disk refuses: one disk for several nodes.
func checkAccessModes(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	if class.Parameters[sharingParameter] == sharingCluster {
		return nil
	}
	for _, mode := range []corev1.PersistentVolumeAccessMode{
		corev1.ReadWriteMany, corev1.ReadOnlyMany,
	} {
		if slices.Contains(claim.Spec.AccessModes, mode) {
			return fmt.Errorf("storage class %q cannot give access mode %s: use class \"shared\"",
				class.Name, mode)
		}
	}
	return nil
}

func (s *storageController) reportOnce(claim *corev1.PersistentVolumeClaim, err error) {
	key := string(claim.UID) + err.Error()
	if s.reported[key] {
		return
	}
	s.reported[key] = true
	s.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", err.Error())
}

func volumeFor(
	claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass,
) *corev1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{provisionedBy: driverName},
		},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{
					Driver: driverName, VolumeHandle: name, VolumeAttributes: class.Parameters,
				},
			},
		},
	}
}

// attach confirms every attachment: the controller manager refuses a second node by itself.
func (s *storageController) attach(
	ctx context.Context, attachment *storagev1.VolumeAttachment,
) error {
	if attachment.Spec.Attacher != driverName || attachment.Status.Attached {
		return nil
	}
	attached := attachment.DeepCopy()
	attached.Status.Attached = true
	_, err := s.client.StorageV1().VolumeAttachments().UpdateStatus(
		ctx, attached, metav1.UpdateOptions{})
	return err
}

// reclaim deletes a released volume with its data once no node holds it.
func (s *storageController) reclaim(
	ctx context.Context, volume *corev1.PersistentVolume, attachments []*storagev1.VolumeAttachment,
) error {
	if volume.Spec.CSI == nil || volume.Spec.CSI.Driver != driverName ||
		volume.Status.Phase != corev1.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	if slices.ContainsFunc(attachments, func(a *storagev1.VolumeAttachment) bool {
		return a.Spec.Source.PersistentVolumeName != nil &&
			*a.Spec.Source.PersistentVolumeName == volume.Name
	}) {
		return nil
	}
	if err := s.backend.remove(volume.Spec.CSI.VolumeHandle); err != nil {
		return err
	}
	err := s.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
