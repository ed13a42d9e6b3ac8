"""Checks certificates of accumulators with code that shares nothing with what wrote them."""

from finn_transforms.certify.check import CertificateError, Verdict, certify

__all__ = ["CertificateError", "Verdict", "certify"]
