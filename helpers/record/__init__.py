"""From a network and images to a record.

networks, taps, weights, architectures   what is recorded, and where its units are read
images, shards, preprocessing            what is shown to it
receptive_field                          what part of an image a unit sees
recorder, statistics, sweep              the one pass
shortlist, toplist, tally                the strongest images of each unit, sums of each class
memory, threads, batch_size, faster      what makes it quick
distributed, interruptions               the same by several processes; being stopped
store, consistency, slim                 the file it leaves, and what it must be to be read
patches                                  pictures, in a second, small pass
"""

from helpers.record.images import FolderImages, ImageSet, TorchvisionImages, WorldImages, batches
from helpers.record.networks import Network, load_network, untrained, wrap
from helpers.record.receptive_field import LayerGeometry, ReceptiveField, trace_layers
from helpers.record.recorder import record
from helpers.record.shards import ShardImages, open_images
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
    "ShardImages",
    "TorchvisionImages",
    "WorldImages",
    "batches",
    "load_network",
    "open_images",
    "record",
    "trace_layers",
    "untrained",
    "wrap",
]
