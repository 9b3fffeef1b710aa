"""From a network and images to a record.

networks, taps, weights, architectures   what is recorded, and where its units are read
images                                   what is shown to it
receptive_field                          what part of an image a unit sees
recorder, statistics, toplist            the one pass
store, slim                              the file it leaves
patches                                  pictures, in a second, small pass
"""

from helpers.record.images import FolderImages, ImageSet, TorchvisionImages, WorldImages, batches
from helpers.record.networks import Network, load_network, wrap
from helpers.record.receptive_field import LayerGeometry, ReceptiveField, trace_layers
from helpers.record.recorder import record
from helpers.record.store import LayerRecord, Record
from helpers.record.toplist import RankedList

__all__ = [
    "FolderImages",
    "ImageSet",
    "LayerGeometry",
    "LayerRecord",
    "Network",
    "RankedList",
    "ReceptiveField",
    "Record",
    "TorchvisionImages",
    "WorldImages",
    "batches",
    "load_network",
    "record",
    "trace_layers",
    "wrap",
]
