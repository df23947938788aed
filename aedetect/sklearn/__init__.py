"""For users of scikit-learn: the detector as an outlier detector of its kind.

`from aedetect.sklearn import AutoencoderDetector`. Signs are those of scikit-learn, and only here:
a higher score is more normal, and an outlier is -1.
"""

from aedetect.sklearn.estimator import AutoencoderDetector

__all__ = ["AutoencoderDetector"]
