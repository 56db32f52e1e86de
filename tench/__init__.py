"""Tench: reproducible transfer learning for image folders. The library the stages share."""
