package main

import (
	"context"
	"flag"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
)

// storageController provisions, attaches and deletes volumes of the local storage driver.
//
// It is level-triggered: any change of a watched object runs one pass over all of them.
type storageController struct {
	client   kubernetes.Interface
	backend  *backend
	events   record.EventRecorder
	factory  informers.SharedInformerFactory
	changed  chan struct{}
	reported map[string]bool
}

func runStorageController() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	volumes := flag.String("volumes", "", "folder of all volumes of the cluster")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	client, err := kubernetes.NewForConfig(config)
	must(err)
	newStorageController(client, *volumes).run(context.Background())
}

func newStorageController(client kubernetes.Interface, volumes string) *storageController {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(
		&typedcore.EventSinkImpl{Interface: client.CoreV1().Events("")})
	return &storageController{
		client:  client,
		backend: &backend{root: volumes},
		events: broadcaster.NewRecorder(
			scheme.Scheme, corev1.EventSource{Component: driverName}),
		factory:  informers.NewSharedInformerFactory(client, 0),
		changed:  make(chan struct{}, 1),
		reported: map[string]bool{},
	}
}

func (s *storageController) run(ctx context.Context) {
	for _, informer := range []cache.SharedIndexInformer{
		s.factory.Core().V1().PersistentVolumeClaims().Informer(),
		s.factory.Core().V1().PersistentVolumes().Informer(),
		s.factory.Storage().V1().VolumeAttachments().Informer(),
		s.factory.Storage().V1().StorageClasses().Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { s.trigger() },
			UpdateFunc: func(any, any) { s.trigger() },
			DeleteFunc: func(any) { s.trigger() },
		})
		must(err)
	}
	s.factory.Start(ctx.Done())
	s.factory.WaitForCacheSync(ctx.Done())
	retry := time.NewTicker(5 * time.Second)
	for {
		s.pass(ctx)
		select {
		case <-s.changed:
		case <-retry.C:
		}
	}
}

func (s *storageController) trigger() {
	select {
	case s.changed <- struct{}{}:
	default: // a pass is already due
	}
}

// pass logs errors and leaves the retry to the next pass.
func (s *storageController) pass(ctx context.Context) {
	claims, _ := s.factory.Core().V1().PersistentVolumeClaims().Lister().List(labels.Everything())
	for _, claim := range claims {
		logError(s.provision(ctx, claim), "provision", claim.Name)
	}
	attachments, _ := s.factory.Storage().V1().VolumeAttachments().Lister().List(labels.Everything())
	for _, attachment := range attachments {
		logError(s.attach(ctx, attachment), "attach", attachment.Name)
	}
	volumes, _ := s.factory.Core().V1().PersistentVolumes().Lister().List(labels.Everything())
	for _, volume := range volumes {
		logError(s.reclaim(ctx, volume, attachments), "reclaim", volume.Name)
	}
}

func logError(err error, action, name string) {
	if err != nil {
		klog.ErrorS(err, action, "name", name)
	}
}
